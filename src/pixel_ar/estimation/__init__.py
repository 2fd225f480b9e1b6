# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What training a model costs, before anything as large is made: weights, FLOPs, memory, patches per second, days."""
