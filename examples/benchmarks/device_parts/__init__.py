# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The parts of a run of `device.py`: each module has `run(settings, record)`, see `harness`."""
