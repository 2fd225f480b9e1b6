# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Short cards for checkpoints that have none: how they load, and what their glyphs are.

`library_name` is `transformers`, which `pipeline` asks for and downloads are counted by.
"""

from typing import Any

from .processing.files import bundled_notices


def language_model_card(model: Any, processor: Any, auto_class: str) -> str:
    """The card of a model that reads and writes strips; there is no `pipeline_tag`, since the Hub would offer a
    pipeline with a tokenizer."""
    height, width = processor.patch_size
    glyphs = [
        f"- `{atlas.name}`, sha256 `{atlas.sha256}`"
        + (f", licence: {atlas.license}" if getattr(atlas, "license", "") else "")
        for atlas in processor.renderer.atlases
    ]
    notices = [f"- its notice: [{name}]({name})" for name in bundled_notices(processor.atlases)]
    return f"""---
library_name: transformers
tags:
- pixel_ar
- pixel-language-model
- custom_code
---

# {type(model).__name__}

A language model that reads and writes text as pixels: strips of {height} rows, cut into patches of {height} x {width}.

```python
import torch
from transformers import {auto_class}, AutoProcessor

path = "."  # this folder, or its id on the Hub
model = {auto_class}.from_pretrained(path, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(path, trust_remote_code=True)
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.

## Glyphs

{chr(10).join([*glyphs, *notices])}
"""


def page_card(model: Any, processor: Any, auto_class: str) -> str:
    """The card of a page model."""
    height, width = processor.page_patch_size or processor.patch_size
    return f"""---
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- pixel_ar
- custom_code
---

# {type(model).__name__}

Reads pages cut into patches of {height} x {width} pixels, writes tokens.

```python
from transformers import {auto_class}, AutoProcessor

path = "."  # this folder, or its id on the Hub
model = {auto_class}.from_pretrained(path, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(path, trust_remote_code=True)
inputs = processor.page_patches(image, num_channels={model.config.num_channels})
ids = model.generate(**inputs, max_new_tokens=50)
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.
"""


def spae_card(model: Any, processor: Any, auto_class: str) -> str:
    """The card of a SPAE model."""
    config = model.config
    words = f"{config.codebook_size:,} {'words' if config.codebook == 'lexical' else 'learned entries'}"
    return f"""---
library_name: transformers
tags:
- pixel_ar
- spae
- custom_code
---

# {type(model).__name__}

Pictures of {config.image_size[0]} x {config.image_size[1]} pixels as layers of {words}, {sum(config.num_tokens)} in all
(arXiv 2306.17842); any prefix of the layers decodes.

```python
from transformers import {auto_class}

model = {auto_class}.from_pretrained(".", trust_remote_code=True).eval()  # this folder, or its id on the Hub
ids = model.encode(pixel_values)  # [B, {config.num_channels}, {config.image_size[0]}, {config.image_size[1]}] in [0, 1]
pictures = model.decode(ids[:2])
```

With the package `pixel-ar` installed, leave `trust_remote_code` out and `import pixel_ar` instead.
"""


__all__ = ["language_model_card", "page_card", "spae_card"]
