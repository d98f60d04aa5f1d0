"""Hugging Face folders: safetensors, with the configuration and tokenizer that transformers and vLLM read."""
