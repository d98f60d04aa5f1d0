"""What answers leave in memory, freed between them: a full collection holds up keys, so it has its time."""

import gc

# Younger objects are collected as they come; all of them never while something is being written.
_YOUNG, _MIDDLE, _NEVER = 3_000, 3, 1_000_000


def begin() -> None:
    """Has nothing collected before the first paint: what is loaded until then stays, and to look at it takes 20 ms."""
    gc.disable()


def painted() -> None:
    """Has things collected as they come, from the first paint on."""
    gc.enable()


def keep_what_is_loaded() -> None:
    """Takes what the program has loaded out of the collector's sight, as it stays: to look at it again takes 80 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


def free() -> None:
    """Frees what is used no more; up to 50 ms."""
    from textual._styles_cache import StylesCache

    # Textual's cache of colours holds on to a thousand widgets that were removed, with the lines they showed.
    clear = getattr(StylesCache.get_inner_outer, "cache_clear", None)
    if clear is not None:
        clear()
    gc.collect()
