# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pages to train page models on: laid out here, or shot from HTML, and what is to be told of them."""
