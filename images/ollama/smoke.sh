#!/bin/sh
# Run inside the image, as its user: does the program start and find its libraries?
set -eu
test "$(id -u)" = 10001
ollama --version
