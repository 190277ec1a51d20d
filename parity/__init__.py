"""The only place that imports both frameworks: are ms_impl and torch_ref the same network?"""
import ms_impl  # noqa: F401, sets the environment before any test imports MindSpore
