"""make_model.py FOLDER: write a small Llama of random weights for vLLM and for llama.cpp.

Runs in an environment with gguf, safetensors and tokenizers. Both files hold the same weights and the same
tokenizer, a byte-level BPE that is trained on the sources of Python's standard library. All tokens are about
equally probable, parts of characters included, but for the end of the sequence: it comes after ANSWER tokens
on average.
"""

import json
import math
import os
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY, WIDTH, HIDDEN, LAYERS, HEADS, CONTEXT = 8192, 256, 768, 4, 4, 4096
ANSWER = 64  # mean length in tokens of an answer that the end of the sequence ends
BEGIN, END, ROLES = "<s>", "</s>", ("<|user|>", "<|assistant|>", "<|system|>")
SPECIAL = (BEGIN, END, *ROLES)
EPSILON, ROPE_BASE, DEVIATION = 1e-5, 10_000.0, 0.02
CONSTANT = 4.0  # dimension 0 of every embedding, from which the logit of the end of the sequence comes
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)

Weights = dict[str, np.ndarray]


def main(folder: Path) -> None:
    """Write the folder for vLLM, and the file for llama.cpp next to it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer()
    weights = draw_weights()
    write_for_vllm(folder, tokenizer, weights)
    write_for_llama_cpp(folder.with_suffix(".gguf"), tokenizer, weights)


def train_tokenizer() -> Tokenizer:
    """Return a tokenizer that is the same on every run of one Python version."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(path) for path in sorted(Path(os.__file__).parent.glob("*.py"))], trainer)
    return tokenizer


def draw_weights() -> Weights:
    """Return the weights by their names in a Llama checkpoint of Hugging Face.

    Dimension 0 is a constant that no layer changes. It gives the end of the sequence its probability.
    """
    random = np.random.default_rng(20)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0, DEVIATION, (rows, columns)).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    weights: Weights = {"model.norm.weight": ones}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{prefix}.self_attn.{name}.weight"] = matrix(WIDTH, WIDTH)
        for name in ("gate_proj", "up_proj"):
            weights[f"{prefix}.mlp.{name}.weight"] = matrix(HIDDEN, WIDTH)
        weights[f"{prefix}.mlp.down_proj.weight"] = matrix(WIDTH, HIDDEN)
        weights[f"{prefix}.self_attn.o_proj.weight"][0] = 0
        weights[f"{prefix}.mlp.down_proj.weight"][0] = 0
        weights[f"{prefix}.input_layernorm.weight"] = ones
        weights[f"{prefix}.post_attention_layernorm.weight"] = ones
    embedding, head = matrix(VOCABULARY, WIDTH), matrix(VOCABULARY, WIDTH)
    embedding[:, 0] = CONSTANT
    head[:, 0] = 0
    head[SPECIAL.index(END)] = 0
    # After the last norm, dimension 0 is nearly the square root of the width.
    head[SPECIAL.index(END), 0] = math.log(VOCABULARY / ANSWER) / math.sqrt(WIDTH)
    return weights | {"model.embed_tokens.weight": embedding, "lm_head.weight": head}


def write_for_vllm(folder: Path, tokenizer: Tokenizer, weights: Weights) -> None:
    """Write the files of a model at Hugging Face."""
    ends = {"bos_token_id": SPECIAL.index(BEGIN), "eos_token_id": SPECIAL.index(END)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "max_position_embeddings": CONTEXT,
        "rms_norm_eps": EPSILON, "rope_theta": ROPE_BASE, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "float32", **ends,
    })  # fmt: skip
    _write_json(folder / "generation_config.json", ends)
    _write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BEGIN, "eos_token": END,
        "additional_special_tokens": list(ROLES), "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False, "chat_template": TEMPLATE,
    })  # fmt: skip


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1))


GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "model.layers": "blk",
}  # fmt: skip


def write_for_llama_cpp(path: Path, tokenizer: Tokenizer, weights: Weights) -> None:
    """Write a GGUF file, as https://github.com/ggml-org/ggml/blob/master/docs/gguf.md describes it."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(path.stem)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)
    _add_tokenizer(writer, tokenizer)
    for name, weight in weights.items():
        renamed = name
        for theirs, gguf_name in GGUF_NAMES.items():
            renamed = renamed.replace(theirs, gguf_name)
        is_rotated = name.endswith(("q_proj.weight", "k_proj.weight"))
        writer.add_tensor(renamed, _pairwise(weight) if is_rotated else weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    kinds = dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL)
    tokens = [tokenizer.id_to_token(number) for number in range(VOCABULARY)]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(SPECIAL.index(BEGIN))
    writer.add_eos_token_id(SPECIAL.index(END))
    writer.add_add_bos_token(False)  # the template brings it
    writer.add_chat_template(TEMPLATE)


def _pairwise(weight: np.ndarray) -> np.ndarray:
    """Reorder rows: llama.cpp rotates pairs of neighbours, Hugging Face the halves of each head."""
    halves = weight.reshape(HEADS, 2, WIDTH // HEADS // 2, WIDTH)
    return halves.swapaxes(1, 2).reshape(weight.shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
