# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What `AutoTokenizer` finds for a checkpoint of this package."""

from typing import Any

from transformers import PreTrainedTokenizerFast

from ..transformers_internals import cached_file

_FILES = ("tokenizer.json", "tokenizer_config.json")
_WHERE = ("cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token")


class PixelCheckpointTokenizer(PreTrainedTokenizerFast):
    """The tokenizer of a checkpoint with a token head; for all others an error that says what to use instead.

    Without it, `AutoTokenizer` and the pipelines that ask for one would speak of missing libraries.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *inputs: Any, **kwargs: Any) -> Any:
        """Loads the tokenizer beside the model, as the class that its files name.

        Raises:
            ValueError: where there is none.
        """
        where = {name: kwargs[name] for name in _WHERE if kwargs.get(name) is not None}
        found = [
            cached_file(
                pretrained_model_name_or_path, name, _raise_exceptions_for_missing_entries=False, **where
            )
            for name in _FILES
        ]
        if not any(found):
            raise ValueError(
                f"{pretrained_model_name_or_path} is a model of pixels and has no tokenizer: load its processor with "
                "AutoProcessor.from_pretrained, and for pipelines use pipeline(task, folder) with the task "
                "'pixel-text-generation', 'pixel-text-classification', 'pixel-token-classification' or "
                "'pixel-question-answering'."
            )
        return PreTrainedTokenizerFast.from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)


__all__ = ["PixelCheckpointTokenizer"]
