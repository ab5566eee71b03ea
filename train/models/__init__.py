"""The base model and what learns of it: loading, LoRA, rates, the frozen tower, the loss at trained positions."""
