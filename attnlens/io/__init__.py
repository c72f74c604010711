"""Files: traces as safetensors and JSON, written atomically; texts by file type; escaped output."""
