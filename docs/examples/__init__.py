"""Training loops of other libraries with primitives of this one: each file stands alone."""
