"""Titles, captions and alternative texts of the figures, and the sections they stand in."""

from __future__ import annotations

_BANDS = (
    "Bands: 95 % intervals over units and test images (with one unit, over its seeds and test "
    "images); the frame cuts them off. "
)
_WHERE_OPTIMISTIC = (
    "A value is optimistic where the classifier got generated images and fewer real images than "
    "the generator saw."
)

# name of the figure: title, caption, text for those who cannot see it.
FIGURE_TEXTS: dict[str, tuple[str, str, str]] = {
    "gain_chart": (
        "What each mix gains",
        "Exploratory: of the classifiers that the choice rests on, not those of the verdict. Test "
        "accuracy of each mix, and of each control without generated images, minus that of the "
        "same real images alone, with 95 % intervals over units and test images; one unit has "
        "none. A filled mark: p, corrected for all rows of the table (Holm), is 0.05 or less. In a "
        "column marked optimistic the gains of the mixes are optimistic, those of the controls are "
        "not. The more mixes there are, the likelier one interval excludes 0 by chance.",
        "Dots with intervals: a row for each mix, a column for each real count. The table of gains "
        "below holds the same numbers.",
    ),
    "learning_curve": (
        "Accuracy over real images, by arm",
        "Exploratory. Of each arm, in each unit, the cell that other units chose on validation "
        "images, or that was fixed beforehand. Bars: 95 % intervals over units and test images (of "
        "a count with one unit, over its seeds and test images); the arms of a count are drawn "
        "side by side so that their bars do not overlap.",
        "Lines of test accuracy over the number of real images: real images alone, classical "
        "augmentation, with generated images, and with both.",
    ),
    "uncertainty": (
        "How sure the verdict is, and why not surer",
        "Left: the verdict's squared standard error by source. Right: the expected half-width of "
        "its 95 % interval by number of repeats, with the same test images.",
        "Bars of shares by source beside a falling line of half-widths over repeats.",
    ),
    "accuracy_contour": (
        "Accuracy over real and generated images",
        "Mean test accuracy. Every dot is a trained cell with its value; between dots "
        "the colour is interpolated. Counts are spaced by rank. " + _WHERE_OPTIMISTIC,
        "Contour plots of test accuracy over real and generated counts, one for each strategy. The "
        "table of cells below holds the same numbers.",
    ),
    "accuracy_surface": (
        "The same as a surface",
        "Height and colour are the mean test accuracy; dots are the trained cells.",
        "Three-dimensional surfaces of the numbers in the contour plots.",
    ),
    "accuracy_over_real": (
        "Accuracy as real images are added",
        "One line for each generated count. " + _BANDS + _WHERE_OPTIMISTIC,
        "Lines of test accuracy over the number of real images.",
    ),
    "accuracy_over_synthetic": (
        "Accuracy as generated images are added",
        "One line for each real count. " + _BANDS + _WHERE_OPTIMISTIC,
        "Lines of test accuracy over the number of generated images.",
    ),
    "sample_grid": (
        "Samples by class",
        "The first images of each class, not picked by hand.",
        "Rows of example images, one for each class.",
    ),
    "near_duplicates": (
        "Images that look nearly the same",
        "Pairs of real images whose perceptual hashes are nearly equal, the nearest pair first. "
        "The two images of a pair are in different parts (train, validation, test) or in different "
        "classes. Different photographs may look alike, so all of them are kept. But a pair that "
        "is one image saved twice is a leak: remove one, or put both into one group (data.groups).",
        "Two rows of images, a pair in each column.",
    ),
    "epoch_collage": (
        "The same noise as training went on",
        "Each column is one point of the noise, with the same class in every row; each row is an "
        "epoch. The framed row is the epoch whose weights were kept. FID is computed on the "
        "judge's features, against validation images where there are any; lower is better.",
        "Rows of generated images, one for each epoch. The training curves hold the same FIDs.",
    ),
    "reconstructions": (
        "Reconstructions by the autoencoder",
        "At the kept epoch. Top: real training images, not picked by hand. Middle: their "
        "reconstructions. Bottom: images decoded from noise, which have no real counterpart; the "
        "pools hold only such images.",
        "Rows of real images, of their reconstructions and of images decoded from noise.",
    ),
    "training_curves": (
        "Training of the generator",
        "Losses and scores by epoch; the scores are computed on the judge's features and "
        "predictions. The dotted line marks the epoch whose weights were kept.",
        "Curves of losses and scores over epochs.",
    ),
    "checkpoint_scores": (
        "Quality of the checkpoints",
        "Scores against the test images, by the examiner; neither had a part in training or in any "
        "choice. The number at a mark is the best of its line. The dotted line is the epoch whose "
        "weights made the study's images. This is one training: with another seed, quality may "
        "turn at another epoch.",
        "Curves of scores over the epochs of the checkpoints. The table of checkpoints below holds "
        "the same numbers.",
    ),
    "confidence_histogram": (
        "Confidence of the judge",
        "The probability that the judge gives to each image's class. Left: share of images by "
        "confidence, on a logarithmic axis. Right: share that each threshold would keep. The "
        "legend gives the share of each set in the top bin.",
        "Histograms of the judge's confidence on real and generated images.",
    ),
    "acceptance_chart": (
        "Acceptance by class and threshold",
        "Share of generated images that the judge assigns to their class with at least this "
        "confidence.",
        "Acceptance rates by class and threshold. The table of acceptance below holds the same "
        "numbers.",
    ),
    "nearest_neighbours": (
        "The training images nearest to generated ones",
        "Generated images, not picked by hand, with their class; beside each the training images "
        "nearest to it, with the Euclidean distance of pixels (on a scale from 0 to 1). An image "
        "copied from the training set has a neighbour at distance 0. Copies are counted in many "
        "more images than these: a copy is nearer to a training image than any test image "
        "is.",
        "Rows of one generated image and its nearest training images, with their distances.",
    ),
    "neighbour_coverage": (
        "Training images that are a nearest neighbour",
        "A collapsed generator has few training images as the nearest neighbours of all its "
        "images. Copies do not show here. Left: share of the class's training images that are the "
        "nearest neighbour of at least one image; lower is worse. Right: largest share of images "
        "that have the same nearest neighbour; higher is worse. As many test images show what real "
        "variety reaches.",
        "Pairs of dots for each class: generated images beside as many test images.",
    ),
    "discriminator_scores": (
        "Scores of the discriminator",
        "The discriminator's score of each image at two kept epochs: 1 is real, 0 is generated, "
        "and the dotted line is undecided. A discriminator that remembers its training images "
        "scores them above test images.",
        "Histograms of the discriminator's scores for generated, training and test images.",
    ),
    "activation_projection": (
        "Where the classifier puts generated images",
        "Activations of the examiner's last hidden layer for test images and for generated images, "
        "on the first two principal components of both together. Generated images that look real "
        "to the examiner lie among the real ones of their class; two components show only part of "
        "the variance.",
        "Scatter plot of real and generated images, marked by group and coloured by class.",
    ),
    "examples": (
        "Right and wrong predictions",
        "Test images of each class. Left: those that a classifier of the best mix predicts right. "
        "Right: those that it predicts wrong, with the predicted class under each. They are the "
        "first ones, not picked by hand; where a place is blank there was no such image.",
        "Rows of test images, one for each class: right predictions on the left, wrong ones on the "
        "right.",
    ),
}

SECTIONS: dict[str, tuple[str, ...]] = {
    "The real images": ("near_duplicates",),
    "Strategies": ("accuracy_over_real", "accuracy_over_synthetic", "accuracy_surface"),
    "The generator": (
        *("epoch_collage", "reconstructions", "training_curves", "checkpoint_scores"),
        *("nearest_neighbours", "neighbour_coverage", "discriminator_scores"),
    ),
    "What the classifier sees": (
        *("confidence_histogram", "acceptance_chart", "activation_projection", "examples"),
    ),
}
"""Folded sections of the page and their figures; figures of no section are always shown."""

PUBLISHED_SECTION = "Beside the published studies"

_SHOWS_CLASSES = (
    *("sample_grid", "confidence_histogram", "acceptance_chart", "nearest_neighbours"),
    *("neighbour_coverage", "activation_projection"),
)
_UNLABELLED = (
    " The generator has no labels: the class of a generated image is the one that the judge "
    "predicts."
)


def figure_texts(name: str, *, labelled: bool = True) -> tuple[str, str, str]:
    """Title, caption and alternative text of a figure.

    Args:
        name: name of the drawing function in `reports.figures`, such as 'accuracy_contour'.
        labelled: whether the generator makes images of a class that it is given; where it does
            not, the judge's predictions stand in for their classes.
    """
    title, caption, alt = FIGURE_TEXTS[name]
    if labelled:
        return title, caption, alt
    if name == "epoch_collage":
        return title, caption.replace(", with the same class in every row", ""), alt
    return title, caption + _UNLABELLED * (name in _SHOWS_CLASSES), alt


def section_of(name: str) -> str:
    """The section in which a figure is folded; empty for one that is always shown."""
    return next((title for title, names in SECTIONS.items() if name in names), "")
