"""How a sample becomes tokens, pixels and batches: each token with its loss weight, said where it is made."""
