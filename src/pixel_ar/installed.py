# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""What the classes of the installed package refuse, since their code lies in folders."""


def refuse_registration(cls: type) -> None:
    """Refuses `register_for_auto_class` for a class of the installed package.

    Saving would then copy the file of the class and what it imports from the same folder, and fail at the first import
    from another. Classes that were loaded from a checkpoint's own code, and subclasses of the user's, may register.

    Raises:
        ValueError: naming `export_remote_code`.
    """
    if cls.__module__.startswith("pixel_ar."):
        raise ValueError(
            f"{cls.__name__} is part of the installed package, whose files cannot be saved one by one; to write a "
            "checkpoint together with its code, call pixel_ar.export_remote_code(model, processor, folder)."
        )


__all__ = ["refuse_registration"]
