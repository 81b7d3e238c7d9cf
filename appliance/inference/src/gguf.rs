//! Reads the head of a GGUF file and checks that the file is whole, before llama.cpp touches it.
