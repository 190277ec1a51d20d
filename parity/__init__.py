"""The only place that imports both frameworks: are ms_impl and torch_ref the same network?"""
