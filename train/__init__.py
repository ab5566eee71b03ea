"""Fine-tune a vision-language model on a dataset with LoRA.

Importing this package, `train.config` or `train.run` needs no torch; everything else does.
"""
