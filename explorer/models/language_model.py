"""Load a causal language model from a folder or a hub id, find its blocks, and refuse what cannot be used."""

from __future__ import annotations

import copy
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from explorer.errors import InputError
from explorer.intake import of_the_file, told
from explorer.models.config_claims import REMEDY, check_claims
from explorer.models.device import moved
from explorer.models.hub import model_folder
from explorer.models.lane_products import LaneProducts
from explorer.models.shape import positions_of
from explorer.models.sites import Site, all_sites
from explorer.models.slices import own, split_settings, whole
from explorer.models.tokens import Begin, begin_token

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedTokenizerBase
    from transformers.modeling_utils import PreTrainedModel

LONGEST = 512
"""Tokens of a window, unless a model reads fewer or somebody says otherwise."""
_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f", "final_norm", "layer_norm")


@dataclass
class LanguageModel:
    """A causal language model with its tokenizer. One copy serves many sessions, so only its methods and
    `explorer.models.hooks` run the network or put hooks on it: they take its lock, and no thread sees another's hooks.
    """

    name: str
    """What the study or the user calls it."""
    network: PreTrainedModel
    """The transformers model in evaluation mode; what is read of it is float32, whatever its own precision."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""
    blocks: nn.ModuleList
    """The transformer blocks, in order."""
    begin: int | None = None
    """Id of the token that stands before every document and prompt; None for none."""
    forward_lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    """Held during each forward pass, and for as long as a thread has hooks on the network."""

    _products: LaneProducts | None = field(default=None, repr=False)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.network.config.get_text_config().hidden_size)

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def window(self) -> int:
        """Tokens that it reads at once unless said otherwise: as many as it can, at most 512."""
        return LONGEST if self.positions is None else min(LONGEST, self.positions)

    @cached_property
    def positions(self) -> int | None:
        """How many positions it can read; None without a limit (see `positions_of`)."""
        return positions_of(self.network.config.get_text_config().to_dict())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return next(self.network.parameters()).dtype

    def lower(self, dtype: torch.dtype) -> None:
        """Compute in another precision from now on; what it holds beside weights, such as frequencies, stays."""
        with self.forward_lock:
            self._products = None
            for weight in self.network.parameters():
                weight.data = weight.data.to(dtype)

    @property
    def sites(self) -> list[Site]:
        """Every site of this model."""
        return all_sites(self.n_layers)

    @property
    def unembedding(self) -> Float[Tensor, "v d"]:
        """The weights that turn a normalised row into logits, a row for each token."""
        return whole(self.network.get_output_embeddings().weight).detach().float()

    @property
    def embedding(self) -> Float[Tensor, "v d"]:
        """The weights that turn a token into the first row of the residual stream."""
        return whole(self.network.get_input_embeddings().get_parameter("weight")).detach()

    @property
    def weights(self) -> dict[str, Tensor]:
        """Every weight by its name; tied ones once."""
        return {name: weight.detach() for name, weight in self.network.named_parameters()}

    @property
    def vocabulary(self) -> int:
        """Rows of the unembedding: token ids are below."""
        return len(self.network.get_output_embeddings().weight)

    @torch.inference_mode()
    def logits(self, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """The logits at every position."""
        with self.forward_lock:
            return self.network(input_ids=self._input(ids), use_cache=False).logits.float()

    @torch.inference_mode()
    def next_logits(self, ids: Int[Tensor, "b t"], cache: DynamicCache) -> Float[Tensor, "b v"]:
        """The logits after the last of `ids`, which follow what is in the cache and are added to it."""
        with self.forward_lock:
            given = self._input(ids, cache.get_seq_length())
            if len(ids) > 1 and self._products is None:
                self._products = LaneProducts(self.network)
            with nullcontext() if self._products is None else self._products.used(ids.numel()):
                out = self.network(input_ids=given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].float()

    @torch.inference_mode()
    def run_blocks(self, ids: Int[Tensor, "b t"]) -> None:
        """Run everything before the unembedding, for the hooks that are on the blocks."""
        with self.forward_lock:
            self.network.base_model(input_ids=self._input(ids), use_cache=False)

    def check_ids(self, ids: Int[Tensor, "b t"], before: int = 0) -> None:
        """Raise InputError for ids that its embedding lacks, and for more tokens in a row than it reads.

        `before`: how many tokens it has read already.
        """
        rows, positions = len(self.network.get_input_embeddings().get_parameter("weight")), self.positions
        if positions is not None and before + ids.shape[1] > positions:
            raise InputError(
                f"{self.name} reads at most {positions} tokens in a row, not {before + ids.shape[1]}: give it fewer"
            )
        if ids.numel() and (worst := int(ids.max())) >= rows:
            token = self.tokenizer.convert_ids_to_tokens(worst)
            raise InputError(
                f"the tokenizer of {self.name} makes token {worst} ('{token}') of the text, but "
                f"the model's embedding has {rows} rows: give the tokenizer that it was trained with"
            )

    def _input(self, ids: Int[Tensor, "b t"], before: int = 0) -> Int[Tensor, "b t"]:
        self.check_ids(ids, before)
        return moved(ids, self.device)

    def copy_network(self) -> PreTrainedModel:
        """A copy of the network, without the hooks of other threads."""
        with self.forward_lock:
            return copy.deepcopy(self.network)

    @property
    def final_norm(self) -> nn.Module:
        """The norm between the last block and the unembedding."""
        base = self.network.base_model
        for module in (base, getattr(base, "decoder", None), getattr(base, "language_model", None)):
            for name in _FINAL_NORMS:
                if isinstance(found := getattr(module, name, None), nn.Module):
                    return found
        raise InputError(
            f"{self.name} ('{self.network.config.model_type}') has no final norm ({', '.join(_FINAL_NORMS)}): "
            "only decoders whose blocks add to a residual stream can be read"
        )


def find_blocks(network: PreTrainedModel) -> nn.ModuleList:
    """The list of transformer blocks: the first ModuleList as long as the config's number of layers.

    Raises InputError for an architecture without one.
    """
    # Models that also see or hear keep their blocks in a part of their own.
    language = getattr(network.base_model, "language_model", network.base_model)
    n_layers = getattr(network.config.get_text_config(), "num_hidden_layers", None)
    for module in language.modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
    raise InputError(
        f"{type(network).__name__}: found no list of {n_layers or 'its'} blocks; this architecture cannot be read"
    )


def load_model(
    source: str | Path,
    name: str | None = None,
    device: str = "cpu",
    begin: Begin = "auto",
    dtype: torch.dtype = torch.float32,
) -> LanguageModel:
    """A model that computes in `dtype`, from a folder or a hub id. Only safetensors; no remote code.

    Raises InputError for a missing, incomplete, unreadable or non-finite model, for an architecture without a residual
    stream, and for a hub that cannot be reached.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = model_folder(source)
    check_claims(place)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    split = split_settings()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, loading = AutoModelForCausalLM.from_pretrained(
                place, dtype=dtype, use_safetensors=True, output_loading_info=True, **options, **split
            )
    except BaseException as error:  # each architecture raises what it likes at settings that it cannot use
        if not of_the_file(error):
            raise
        hint = "; without --split-models each process holds it whole" if split else ""
        raise InputError(f"cannot load the model '{source}': {_first_line(error)}{hint}") from error
    if missing := sorted(loading["missing_keys"]):
        # transformers would fill them with random numbers.
        raise InputError(f"the model '{source}' lacks {missing[0]} ({len(missing)} tensors in all): export it again")
    bad = [n for n, p in network.named_parameters() if not torch.isfinite(own(p)).all()]
    if bad:
        raise InputError(
            f"the model '{source}' has non-finite weights in {bad[0]} ({len(bad)} tensors): export it again"
        )
    tokenizer = load_tokenizer(place, source)
    network.eval().requires_grad_(False).to(device)
    with told(place / "config.json", REMEDY):
        before = begin_token(tokenizer, begin)
        model = LanguageModel(name or Path(str(source)).name, network, tokenizer, find_blocks(network), before)
        _check_residual_stream(model)
        # Two tokens: settings with which a network can be built, and does not run.
        model.logits(torch.zeros(1, 2, dtype=torch.long))
    return model


def load_tokenizer(folder: Path, source: str | Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, which works. Raises InputError; no remote code."""
    from transformers import AutoTokenizer

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        ids = tokenizer("a b", add_special_tokens=True)["input_ids"]
        _ = tokenizer.decode(ids), tokenizer.all_special_tokens, tokenizer.bos_token_id, len(tokenizer)
    except BaseException as error:  # tokenizers raise what they like, a bare Exception or a panic among it
        if not of_the_file(error):
            raise
        raise InputError(
            f"cannot load the tokenizer of '{source or folder}': put its files (tokenizer.json, tokenizer_config.json) "
            f"into the folder; {_first_line(error)}"
        ) from error
    return tokenizer


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _check_residual_stream(model: LanguageModel) -> None:
    """Refuse architectures whose blocks do not add to one stream that a final norm reads."""
    config = model.network.config.get_text_config()
    if config.is_encoder_decoder:
        raise InputError(f"{model.name} is an encoder-decoder ('{config.model_type}'): only decoders can be read")
    if not getattr(config, "do_layer_norm_before", True):
        raise InputError(
            f"{model.name} normalises after each block (do_layer_norm_before = false, as OPT-350m does): "
            "it has no residual stream to read; choose another model"
        )
    if (projected := getattr(config, "word_embed_proj_dim", model.d_model)) != model.d_model:
        raise InputError(
            f"{model.name} projects its embedding from {projected} to {model.d_model} dimensions: "
            "the residual stream does not reach the unembedding; choose another model"
        )
    _ = model.final_norm
