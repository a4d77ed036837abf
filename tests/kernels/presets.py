"""Shapes of the presets, as kern_model_preset has them: layers, width, heads, kv heads, head dimension, ffn."""
PRESETS = {"1m": (5, 128, 2, 2, 64, 384), "10m": (12, 256, 4, 4, 64, 768), "42m": (8, 512, 8, 8, 64, 1408),
           "124m": (12, 768, 12, 12, 64, 2560), "350m": (24, 1024, 16, 16, 64, 2816),
           "1.3b": (24, 2048, 16, 16, 128, 5632)}
VOCAB = 32000
