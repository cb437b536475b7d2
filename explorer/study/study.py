"""A study: a folder with models, dictionaries, text and cached results, which every page shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from explorer.alignment import (
    MAPS,
    CarriedReaders,
    DecoderStory,
    OneSpace,
    PairResult,
    PairSimilarity,
    PairSubstitution,
    PairWarmStart,
    WeightSpace,
    arms,
    decode_result,
)
from explorer.errors import InputError
from explorer.intake import Cells, need_shapes, read_arrays, read_bytes, read_json, read_table, tensor_claims, told
from explorer.models import Site, all_sites, parse_site
from explorer.sae import Architecture
from explorer.study.feature_tables import CATALOGUE, CORRESPONDENCE, PLACE, REMEASURE, check_lists
from explorer.study.file_names import (
    CARRIED_READERS,
    ONE_SPACE,
    READING_SHARES,
    RESPONSES,
    SIMILARITY,
    SUBSTITUTION,
    WARM_START,
    WEIGHT_SPACE,
)
from explorer.study.schema import DictionaryEntry, ModelEntry, StudyFile
from explorer.text import Corpus, open_corpus

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from explorer.alignment import SiteMaps
    from explorer.models import LanguageModel
    from explorer.sae import SAE
    from explorer.steering import DoseResponse, ReadingShares
    from explorer.text import Chunks

T = TypeVar("T")
Checked = TypeVar("Checked", CarriedReaders, PairSubstitution, PairWarmStart, WeightSpace)


@dataclass(frozen=True)
class Study:
    """An opened study. Models and dictionaries are loaded on request, and not kept: callers cache them."""

    folder: Path
    """Where it lies."""
    file: StudyFile
    """Its contents."""

    @cached_property
    def sites(self) -> list[Site]:
        """Every site that was measured: of a shipped study all that its models have."""
        every = all_sites(self.file.n_layers)
        return every if self.file.sites is None else [every[i] for i in self.file.sites]

    def site_at(self, index: int) -> Site:
        """The site of an index in the model, which is no index of `sites` where only some were measured."""
        return all_sites(self.file.n_layers)[index]

    def model_entry(self, name: str) -> ModelEntry:
        """A model by name. Raises InputError with the names there are."""
        for entry in self.file.models:
            if entry.name == name:
                return entry
        raise InputError(
            f"study '{self.file.name}' has no model '{name}': it has {', '.join(m.name for m in self.file.models)}"
        )

    def dictionary_entry(
        self, model: str, site: Site, architecture: Architecture | None = None
    ) -> DictionaryEntry | None:
        """A model's dictionary at a site, if there is one: the first listed, or that of an architecture."""
        for entry in self.file.dictionaries:
            if (entry.model, entry.site) == (model, site.name) and architecture in (None, entry.architecture):
                return entry
        return None

    def sources(self) -> list[str]:
        """Models that are the source of a measured pair."""
        return list(dict.fromkeys(p.source for p in self.file.pairs))

    def targets(self, source: str) -> list[str]:
        """Models measured as targets of a source."""
        return [p.target for p in self.file.pairs if p.source == source]

    def site(self, text: str) -> Site:
        """A site by index or name. Raises InputError."""
        return parse_site(text, self.file.n_layers)

    def load_model(self, name: str) -> LanguageModel:
        """A model, float32; a twin is made on the fly."""
        from explorer.alignment import make_twin
        from explorer.models import load_model

        entry = self.model_entry(name)
        model = load_model(self.folder / entry.path, name=name, begin=self.file.text.begin)
        if (model.d_model, model.n_layers) != (self.file.d_model, self.file.n_layers):
            raise InputError(
                f"the model '{self.folder / entry.path}' has {model.n_layers} blocks of width {model.d_model}, study "
                f"'{self.file.name}' says {self.file.n_layers} of {self.file.d_model}: put back the model that it was "
                "measured on, or measure it again"
            )
        return make_twin(model, entry.seed, name) if entry.kind == "twin" else model

    def load_dictionary(self, model: str, site: Site, architecture: Architecture | None = None) -> SAE | None:
        """A model's dictionary at a site, None if the study has none. A twin's is its original's, rotated."""
        import torch

        from explorer.alignment import symmetry_of, twin_rotation
        from explorer.models import read_config
        from explorer.sae.formats import load_sae

        entry = self.model_entry(model)
        if entry.kind == "twin":
            original = next((m for m in self.file.models if m.path == entry.path and m.kind != "twin"), None)
            sae = self.load_dictionary(original.name, site, architecture) if original else None
            zero = torch.zeros(self.file.d_model)
            config = read_config(self.folder / entry.path / "config.json") or {}
            q = twin_rotation(self.file.d_model, entry.seed, symmetry_of(str(config.get("model_type"))))
            return sae and sae.rotated_for_target(q.T.float(), zero, zero)
        found = self.dictionary_entry(model, site, architecture)
        return load_sae(self.folder / found.path) if found else None

    @cached_property
    def corpus(self) -> Corpus:
        """Its text, with what is known about it. Raises InputError for a corpus that this version does not know."""
        text = self.file.text
        return open_corpus(text.kind, text.split, text.documents, self.folder)

    def chunks(self, count: int | None = None) -> Chunks:
        """Its text in windows of tokens, or that of its first `count` documents."""
        from explorer.models import begin_token, load_tokenizer
        from explorer.text import TextReading, read_windows

        tokenizer, text = load_tokenizer(self.folder / self.file.models[0].path), self.file.text
        blocks = self.corpus.in_blocks and not text.cut
        reading = TextReading(text.context, begin_token(tokenizer, text.begin), blocks, text.cut)
        return read_windows([d.text for d in self.corpus.documents(count)], tokenizer, reading)

    def pair_path(self, source: str, target: str) -> Path:
        """Folder of a pair's cached results."""
        return self.folder / "pairs" / f"{source}-{target}"

    def pair(self, source: str, target: str) -> PairResult:
        """The measured numbers of a pair. Raises InputError if it was not measured."""
        path = self.pair_path(source, target) / "result.json"
        if not path.is_file():
            raise InputError(f"the pair {source} → {target} is not measured in study '{self.file.name}'")
        data = read_bytes(path, REMEASURE)
        with told(path, REMEASURE):
            result = decode_result(data)
            if [s.site for s in result.sites] != [s.name for s in self.sites]:
                raise ValueError("its sites are not those of study.json")
            if (result.source, result.target, result.d_model) != (source, target, self.file.d_model):
                raise ValueError(f"it is of {result.source} → {result.target}, width {result.d_model}")
        return result

    def maps(self, source: str, target: str) -> dict[str, SiteMaps]:
        """The fitted maps of a measured pair, by site name."""
        from explorer.study.pair_tensors import load_maps

        return load_maps(self.pair_path(source, target) / "maps.safetensors", self.file.d_model)

    def site_maps(self, source: str, target: str, site: Site) -> SiteMaps:
        """Every map from the target to the source at a site. Raises InputError for what was not measured."""
        for name in (source, target):
            self.model_entry(name)
        if not (self.pair_path(source, target) / "maps.safetensors").is_file():
            pairs = ", ".join(f"{p.source} → {p.target}" for p in self.file.pairs) or "none"
            raise InputError(
                f"the pair {source} → {target} is not measured in study '{self.file.name}': it has {pairs[:200]}"
            )
        found = self.maps(source, target)
        if site.name not in found:
            raise InputError(f"{site.name} is not measured for {source} → {target}: there are {', '.join(found)}")
        return found[site.name]

    def arms(self, source: str, target: str) -> tuple[str, ...]:
        """The maps of the switch that a pair was measured under: a study may be older than a map."""
        claims = tensor_claims(self.pair_path(source, target) / "maps.safetensors", REMEASURE)
        stored = {key.rpartition(".")[2] for key in claims}
        return tuple(arm for arm in arms() if MAPS[arm].is_drawn or MAPS[arm].tensor in stored)

    def clouds(self, source: str, target: str) -> dict[str, tuple[NDArray[np.float16], NDArray[np.float16]]]:
        """The clouds of a measured pair as NumPy arrays, without loading torch: (source, target) by site name."""
        import numpy as np

        path = self.pair_path(source, target) / "clouds.safetensors"
        names = [(f"{s.name}.source", f"{s.name}.target") for s in self.sites]
        found = read_arrays(path, [name for both in names for name in both], REMEASURE)
        for both in names:
            need_shapes(found, {both[0]: (None, 2)}, path, REMEASURE)
            need_shapes(found, {both[1]: (None, len(found[both[0]]), 2)}, path, REMEASURE)
        half = {name: array.astype(np.float16, copy=False) for name, array in found.items()}
        return {s.name: (half[a], half[b]) for s, (a, b) in zip(self.sites, names, strict=True)}

    def rotation(self, source: str, target: str, site: Site) -> NDArray[np.float32]:
        """R of a measured pair at a site as it is stored, without loading torch."""
        import numpy as np

        path, name = self.pair_path(source, target) / "maps.safetensors", f"{site.name}.R"
        found = read_arrays(path, [name], REMEASURE)
        need_shapes(found, {name: (self.file.d_model, self.file.d_model)}, path, REMEASURE)
        return found[name].astype(np.float32, copy=False)

    def features(self, model: str) -> pd.DataFrame:
        """The catalogue of a model's dictionary features, all sites; see `explorer.features.feature_catalogue`."""
        path = self.folder / "features" / f"{model}.parquet"
        return check_lists(read_table(path, CATALOGUE, REMEASURE), path, REMEASURE)

    def correspondence(self, source: str, target: str) -> pd.DataFrame:
        """How the source's features fare in the target, all sites; see `explorer.features.correspondence`."""
        arms = self.arms(source, target)
        wanted: dict[str, Cells] = {f"r_{arm}": "number" for arm in arms}
        path = self.pair_path(source, target) / CORRESPONDENCE
        found = read_table(path, {**PLACE, **wanted}, REMEASURE)
        partners = {"partner", "mutual", "partner_r", *(f"cosine_{arm}" for arm in arms)}
        if "partner" in found and not partners <= set(found):
            raise InputError(f"'{path}' is damaged: it lacks columns of the partners; {REMEASURE}")
        return found

    def responses(self, source: str, target: str) -> list[DoseResponse]:
        """How the source's vectors steer the target at every dose and site; none where they were not measured."""
        from explorer.steering import DoseResponse

        path = self.pair_path(source, target) / RESPONSES
        found = read_json(path, list[DoseResponse], REMEASURE) if path.is_file() else []
        with told(path, REMEASURE):
            for response in found:
                response.check()
        return found

    def reading_shares(self, source: str, target: str) -> list[ReadingShares]:
        """What one reads when the source's contrasts steer the target; none where that was not measured."""
        from explorer.steering import ReadingShares

        path = self.pair_path(source, target) / READING_SHARES
        found = read_json(path, list[ReadingShares], REMEASURE) if path.is_file() else []
        with told(path, REMEASURE):
            for shares in found:
                shares.check()
        return found

    def similarity(self, source: str, target: str) -> PairSimilarity | None:
        """The field's similarity indices of a pair; None where they were not measured."""
        return self._of_pair(source, target, SIMILARITY, PairSimilarity)

    def carried(self, source: str, target: str) -> CarriedReaders | None:
        """How the source's probes and lenses do on the target; None where they were not measured."""
        return self._sound(source, target, CARRIED_READERS, CarriedReaders)

    def weight_space(self, source: str, target: str) -> WeightSpace | None:
        """The loss between the weights of a pair; None where it was not measured."""
        return self._sound(source, target, WEIGHT_SPACE, WeightSpace)

    def substitution(self, source: str, target: str) -> PairSubstitution | None:
        """What happens when the source's features stand in for the target's; None where that was not measured."""
        return self._sound(source, target, SUBSTITUTION, PairSubstitution)

    def warm_start(self, source: str, target: str) -> PairWarmStart | None:
        """How the pair's rotated dictionaries train on; None where that was not measured."""
        return self._sound(source, target, WARM_START, PairWarmStart)

    def _of_pair(self, source: str, target: str, name: str, kind: type[T]) -> T | None:
        """A file of a pair's folder; None where there is none."""
        path = self.pair_path(source, target) / name
        return read_json(path, kind, REMEASURE) if path.is_file() else None

    def _sound(self, source: str, target: str, name: str, kind: type[Checked]) -> Checked | None:
        """The same, whose numbers fit together."""
        if (found := self._of_pair(source, target, name, kind)) is not None:
            with told(self.pair_path(source, target) / name, REMEASURE):
                found.check()
        return found

    def one_space(self) -> OneSpace | None:
        """How the seeds lie in one space; None where that was not measured."""
        path, remedy = self.folder / ONE_SPACE, "remove it, and the pages do without it"
        return read_json(path, OneSpace, remedy) if path.is_file() else None

    def decoder_story(self) -> DecoderStory | None:
        """The decoder cosines behind the "98 %"; None where the study has no dictionaries for them."""
        path = self.folder / "decoder_match.json"
        return read_json(path, DecoderStory, "remove it and train the study again") if path.is_file() else None
