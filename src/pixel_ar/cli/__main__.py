# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`python -m pixel_ar.cli` is `pixel-ar`."""

import sys

from .main import main

sys.exit(main())
