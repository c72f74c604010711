"""Files: traces as safetensors and JSON, written whole or not at all; texts by file type; escaped output."""
