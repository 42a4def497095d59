"""The two-stream network: inputs, backbones, fusion, heads, consensus."""
