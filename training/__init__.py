"""Training of binary and low-bit temporal CNNs with Brevitas, and their export to QONNX.

Stands alone: the compiler meets a trained network only as an ONNX file. Needs the `train` extra.
"""
