# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`python -m fuzz`: see `fuzz.command`."""

import os
import sys

# Before huggingface_hub and the libraries of linear algebra are imported: forked processes have one thread.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from fuzz.command import main

if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
