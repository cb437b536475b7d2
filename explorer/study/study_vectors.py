"""Steering vectors of a study's models: the one way from what a link or a command names to a direction."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from explorer.errors import InputError
from explorer.models import LanguageModel, Site
from explorer.sae import SAE
from explorer.steering import VectorSpec, contrast_vector, feature_vector, native_vectors
from explorer.study.study import Study
from explorer.text import Chunks, Contrast


def contrast_of(study: Study, spec: VectorSpec) -> Contrast | None:
    """The two classes of text that a vector is the difference of; None for a feature and for a file."""
    return study.corpus.contrast(spec.contrast) if spec.contrast is not None else spec.lists


def own_vector(study: Study, spec: VectorSpec, model: LanguageModel, site: Site) -> Float[Tensor, " d"]:
    """A unit vector of a model: its own contrast, or a decoder row of its dictionary. Raises InputError.

    What a file holds is read by `vector_file`.
    """
    contrast = contrast_of(study, spec)
    if contrast is not None:
        return contrast_vector(model, site, contrast)
    assert spec.feature is not None, "a file is no model's own"
    return feature_vector(_dictionary(study, model.name, site), spec.feature)


def native_vector(
    study: Study, spec: VectorSpec, source: LanguageModel, target: LanguageModel, site: Site, chunks: Chunks
) -> Float[Tensor, " d"]:
    """The target's own unit vector for the same thing; that of a feature from the fit split of `chunks`.

    Raises InputError.
    """
    if spec.feature is None:
        return own_vector(study, spec, target, site)
    sae = _dictionary(study, source.name, site)
    (found,) = native_vectors(source, target, sae, [spec.feature], site, chunks.split("fit"))
    if found is None:
        raise InputError(f"feature {spec.feature} never fires on the fit tokens: {target.name} has no vector for it")
    return found


def _dictionary(study: Study, name: str, site: Site) -> SAE:
    sae = study.load_dictionary(name, site)
    if sae is None:
        there = ", ".join(d.site for d in study.file.dictionaries if d.model == name) or "none"
        raise InputError(f"the study has no dictionary of {name} at {site.name}; it has: {there}")
    return sae
