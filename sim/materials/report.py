"""The report: what the published detectors say about crystals, and how far a model of them can be trusted; one page.

Tables -> [report] -> index.html, one PNG a picture, figures.json
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.materials import pictures
from sim.materials.features import (
    ABSORBED_LIMIT,
    BORROWED_WEIGHT,
    LABELS,
    TARGETS,
    implies_gain,
)
from sim.materials.findings import PAPER_GAPS, Claim, check
from sim.materials.importance import pearson
from sim.materials.models import Model, fit, left_out
from sim.materials.predict import SEED, SLOW, Forecaster
from sim.materials.published import Tables
from sim.materials.rank import SPACE, Ranking, expand, rank
from sim.materials.study import DETECTORS_ALONE, GROWING, NO_GAIN, TITLES, Study, study
from sim.materials.symbolic import formula
from sim.materials.validation import FOLDS, REPEATS, Validation
from sim.paper.page import Finding, Part, Picture, Rows, save_page

TITLE = "Which crystal? Published perovskite X-ray detectors, and what models of them are worth"
INTRODUCTION = (
    "The study of “Machine learning aided parameter analysis in Perovskite X-ray Detector”, done again on an "
    "independent collection of published values, because the paper's own table was not published. Five kinds of model "
    "predict band gap, µτ, sensitivity and detection limit. What counts is what they predict for materials that they "
    "have not seen.",
)
MOST_REMARKS = 12
GAP_WANTED = 2.0
"""Of the ranking by band gap, eV: near the crystals that are grown for hard X-rays at room temperature."""


def write(
    out: Path, tables: Tables, say: Callable[[str], None], models: Sequence[Model] | None = None,
    *, space: Sequence[str] = SPACE, repeats: int = REPEATS,
) -> Path:  # fmt: skip
    """Compute the study, write the page, its pictures and its figures to the folder `out`; returns the page's path.

    Raises MaterialsError, OSError.
    """
    say(f"{len(tables.detectors)} detectors, {len(tables.gaps)} further band gaps; models are being validated ...")
    done = study(tables, models, repeats=repeats)
    say("compositions are being ranked, pictures drawn ...")
    claims = check(done)
    ranked = rankings(done, space)
    parts = [
        data_part(done), *(model_part(done, key) for key in done.validations), importance_part(done),
        *([growth_part(done)] if done.curves else []), findings_part(done, claims), rank_part(ranked),
    ]  # fmt: skip
    page = save_page(out, TITLE, [*INTRODUCTION, _summary(done)], parts)
    (out / "figures.json").write_text(json.dumps(figures(done, claims, ranked), indent=1), encoding="utf-8")
    return page


def rankings(done: Study, space: Sequence[str]) -> list[Ranking]:
    """Of the compositions of `space` by every target that has a model."""
    forecaster = Forecaster(done.tables.everything, done.forecasts)
    formulas = expand(space)
    return [rank(forecaster, key, formulas, GAP_WANTED if key == "band_gap_ev" else None) for key in done.forecasts]


def figures(done: Study, claims: Sequence[Claim], ranked: Sequence[Ranking]) -> dict[str, Any]:
    """All numbers of the page, for programs, and to compare two runs with; no time, nothing of the machine."""
    return {
        "sets": {
            key: {
                "rows": len(done.data[key].y),
                "materials": done.data[key].materials,
                "models": {name: _scores(one) for name, one in some.items()},
                "importance": {name: dict(one.mean) for name, one in done.importances[key].items()},
            }
            for key, some in done.validations.items()
        },
        "held_out": {key: dict(some) for key, some in done.held_out.items()},
        "findings": [vars(claim) for claim in claims],
        "ranked": {
            one.key: [
                [each.formula, each.estimate.value, each.estimate.low, each.estimate.high] for each in one.candidates
            ]
            for one in ranked
        },
    }  # fmt: skip


def _scores(one: Validation) -> dict[str, Any]:
    return {
        "train_r2": vars(one.train_r2),
        "test_r2": vars(one.test_r2),
        "skill": vars(one.skill),
        "better_than_mean": one.better_than_mean,
    }


def _summary(done: Study) -> str:
    """What to take home, first on the page."""
    worth = [key for key, some in done.validations.items() if any(one.better_than_mean for one in some.values())]
    none = [TITLES[key] for key in done.validations if key not in worth]
    text = ""
    if worth:
        text += f"Better than the mean is some model for: {'; '.join(TITLES[key] for key in worth)}. "
    if none:
        text += f"No better than to predict the mean is every model for: {'; '.join(none)}."
    return text


def data_part(done: Study) -> Part:
    """What there is to learn from."""
    detectors = done.tables.detectors
    gain = [device for device in detectors if implies_gain(device)]
    known = sum(device.sensitivity_uc_gy_cm2 is not None for device in detectors)
    computed = sum(device.band_gap_dft_ev is not None for device in done.tables.everything)
    text = [
        f"{len(detectors)} rows, a device or one of its conditions each, with the source of each. Sensitivities are "
        "what a paper's abstract says first, so the best one; X-ray energy, field and thickness differ from row to row "
        "and are mostly not given.",
        f"{len(gain)} of {known} sensitivities are over what complete absorption and collection give without gain: "
        "they imply photoconductive gain, which depends on contacts and traps rather than on the crystal. Models are "
        "fitted with and without them. A row with photogating (2.2e8) is in no fit.",
        "Values that another text gives for the same material, estimates and bounds have a weight of "
        f"{BORROWED_WEIGHT:g}. What is missing is imputed inside the cross-validation. {computed} computed (DFT) gaps "
        "are in the tables; no model learns from them.",
    ]
    if done.tables.gaps:
        measured = sum(device.band_gap_ev is not None for device in done.tables.gaps)
        text.append(f"The band-gap models also learn from {measured} measured gaps of a further table.")
    rows = [
        [TITLES[key], str(len(data.y)), str(data.materials), str(int((data.weight < 1).sum()))]
        for key, data in done.data.items()
    ]
    tables = [Rows("What the models learn from", ["", "rows", "materials", "rows of less weight"], rows)]
    remarks = [*done.lacking.values(), *left_out(), *done.tables.remarks]
    if remarks:
        more = f" (the first {MOST_REMARKS} of {len(remarks)})" if len(remarks) > MOST_REMARKS else ""
        tables.append(Rows(f"Remarks{more}", [""], [[remark] for remark in remarks[:MOST_REMARKS]]))
    return Part(
        "The data", text, (),
        [Picture("filled", pictures.filled(detectors), "How many rows have a value."),
         Picture("sensitivities", pictures.sensitivities(detectors, ABSORBED_LIMIT), "Published sensitivities.")],
        tables,
    )  # fmt: skip


def model_part(done: Study, key: str) -> Part:
    """The models of one set."""
    data, validations = done.data[key], done.validations[key]
    better = [one.model.title for one in validations.values() if one.better_than_mean]
    best = done.best(key)
    text = [
        f"{len(data.y)} rows of {data.materials} materials, in {FOLDS} folds, every fold's hyperparameters from its "
        "own training half, no material in both halves. R² is of all unseen rows together; skill is the part of the "
        "squared error that a model saves over predicting its training half's mean. In parentheses: 90 %, from "
        "resampled materials.",
        f"Better than the mean: {', '.join(better)}." if better else (
            f"No model is better than the mean. The least bad, {best.model.title}, has a skill of {best.skill}."
        ),
    ]  # fmt: skip
    names = ", ".join(LABELS[name].split(" (")[0] for name in data.target.features)
    text.append(f"They see {names}" + (", and the target's decimal logarithm." if data.target.log else "."))
    if key == NO_GAIN:
        text.append("Rows that imply gain are left out, which also cuts the range of what is to be explained.")
    if key == "band_gap_ev" and DETECTORS_ALONE in done.data:
        alone = set(done.data[DETECTORS_ALONE].material.tolist())
        text.append(
            "Most of these are films of FA, MA, Cs with Pb, Sn and I, Br: near neighbours of each other. Unseen, the "
            f"gaps of all are predicted by {best.model.title} with an rms error of "
            f"{_rms(done, key, best, set(data.material.tolist())):.2f} eV, those of the {len(alone)} materials of the "
            f"detector table with {_rms(done, key, best, alone):.2f} eV."
        )
    rows = [
        [one.model.title, str(one.train_r2), str(one.test_r2), str(one.skill), "yes" if one.better_than_mean else "no"]
        for one in validations.values()
    ]
    table = Rows("Models", ["", "R² training", "R² unseen", "skill over the mean", "better than the mean"], rows)
    if SLOW in validations:
        whole = fit(done.models[SLOW], data, SEED)
        seen = [LABELS[data.target.features[index]].split(" (")[0].replace(" ", "_")
                 for index in whole["varying"].get_support(indices=True)]  # fmt: skip
        left = f"log₁₀ {data.target.title}" if data.target.log else data.target.title
        text.append(f"The symbolic formula, of all rows: {left} = {formula(whole['model'], seen)}.")
    caption = f"{_capital(TITLES[key])}: predicted against measured; a point at the edge of a panel is beyond it."
    picture = Picture(f"predicted-{key.replace('_', '-')}", pictures.predicted_actual(done, key), caption)
    return Part(_capital(TITLES[key]), text, (), [picture], [table])


def _rms(done: Study, key: str, one: Validation, materials: set[str]) -> float:
    """Of the unseen rows of some materials, as the models see the target."""
    data = done.data[key]
    kept = np.isin(data.material, sorted(materials))
    return float(np.sqrt(((one.predicted - data.y)[:, kept] ** 2).mean()))


def _capital(title: str) -> str:
    return title[0].upper() + title[1:] if title.isascii() else title


def importance_part(done: Study) -> Part:
    """What matters."""
    text = [
        "First Pearson's r over materials, where at least six have both. Then permutation importance: what the "
        "shuffling of a feature adds to the squared error on unseen rows, as a part of the target's variance. Models "
        "with an asterisk are no better than the mean: what matters to them matters little. Features that go together, "
        "such as the masses and the lattice, share their importance.",
    ]
    shown = [
        Picture("pearson", pictures.correlations(pearson(done.tables.everything)), "Pearson's r."),
        Picture("importance", pictures.importances(done), "Permutation importance, by target and model."),
    ]
    return Part("Which property matters", text, (), shown)


def growth_part(done: Study) -> Part:
    """Whether more data would help."""
    titles = " and ".join(done.models[name].title for name in GROWING if name in done.models)
    text = [
        f"{_capital(titles)}, fitted to ever more materials; a quarter of them, drawn anew five times, is never seen. "
        "Lines are medians, bands quartiles. A curve that still rises asks for more rows; one that lies at zero, for "
        "other columns.",
    ]
    picture = Picture("learning", pictures.curves(done), "R² against the number of materials.")
    return Part("Would more data help?", text, (), [picture])


def findings_part(done: Study, claims: Sequence[Claim]) -> Part:
    """The paper's findings."""
    text = [
        "The paper had 137 devices and 23 columns, many of them estimated; here are fewer, and none is estimated. A "
        "finding that does not hold here may hold there, on other materials.",
    ]
    findings = [
        Finding(f"band gap of (m-F-PEA)2PbI4 without it, {done.models[name].title}", value, PAPER_GAPS[name], "eV",
                tolerance=0.05)
        for name, value in done.held_out.get("band_gap_ev", {}).items()
    ]  # fmt: skip
    shown = [Picture("held-out", pictures.held_out(done), "(m-F-PEA)2PbI4, held out.")] if done.held_out else []
    tables = [Rows(f"{_capital(claim.verdict)}: {claim.paper}", ["on these data"], [[claim.here]]) for claim in claims]
    return Part("The paper's findings", text, findings, shown, tables)


def rank_part(ranked: Sequence[Ranking]) -> Part:
    """Compositions by what is predicted."""
    text = []
    for one in ranked:
        wanted = f"nearest to {one.near:g} eV" if one.near is not None else "best"
        worth = "" if one.worth else " The model is no better than the mean, so this order says nothing about crystals."
        text.append(
            f"By {TARGETS[one.key].title}, {wanted} first: of {len(one.candidates)} compositions {one.tied} have an "
            f"interval that reaches the first one's value.{worth}"
        )
    shown = [
        Picture(f"rank-{one.key.replace('_', '-')}", pictures.ranking(one), f"By {TARGETS[one.key].title}.")
        for one in ranked if one.worth
    ]  # fmt: skip
    return Part("Compositions, ranked", text, (), shown)
