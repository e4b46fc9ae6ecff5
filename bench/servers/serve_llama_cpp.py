"""serve_llama_cpp.py FILE NAME PORT: serve a GGUF file with llama.cpp's server until killed."""

import signal
import sys

import xllamacpp

SLOTS, CONTEXT = 16, 1024

file, name, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = file
params.model_alias = {name}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.n_parallel = SLOTS
params.n_ctx = SLOTS * CONTEXT
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.use_jinja = True
server = xllamacpp.Server(params)
signal.pause()
