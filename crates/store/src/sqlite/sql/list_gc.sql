SELECT path FROM gc
