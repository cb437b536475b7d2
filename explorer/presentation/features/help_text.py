"""What the Features page shows, with its formulas: the text at its foot."""

HELP = r"""
**The question.** What does a feature of A's dictionary do, does B have it, and would the dictionary as it is have told you so?

**A feature** is one direction of a sparse dictionary (SAE) of A's residual stream at the chosen site. It *fires* at a token when its activation
$a = \mathrm{act}((x - b)\,W_{\mathrm{enc}} + b_{\mathrm{enc}})$ is above zero. *Density* is the share of test tokens at which it fires; a feature that never does is *dead*.

**Read in B.** The same dictionary reads B's rows at the same tokens through the map chosen in the bar, $a_B = \mathrm{SAE}_A(f(x_B))$, for instance $f(x) = (x - \mu_B) R + \mu_A$.
**Firing r** is the Pearson correlation of $a_A$ and $a_B$ over the test tokens. It is *n/a*, not 0, where either side fires fewer than 20 times.
*Shuffled* is the control: R fitted to pairs that do not belong together. *Above null* is the share of all features whose r (or cosine) under that control is smaller.

**Label and F1.** Where the text was written by a grammar, every token carries latent labels (genre, place, the word list that a word came from, …). The label shown is the one that the feature detects best:
$F_1 = 2\,\mathrm{hits} / (\mathrm{firings} + \mathrm{labelled\ tokens})$, with the better of three firing thresholds (0, ¼ and ½ of its largest activation). In B the same detector with the same threshold is used.
The best of many labels is always above zero: below 0.3 take it as no label.

**Cosine and partners.** B has a dictionary of its own, trained independently. *Nearest*: the direction of B with the largest cosine, raw or after B's dictionary is carried through a map.
*Mutual*: each is the other's nearest. *One-to-one*: the assignment in which no feature of B serves twice and the sum of cosines is largest (Hungarian). Dead features of B are no partners.
Two dictionaries even of one model share only a part of their features.

**Promoted and suppressed tokens.** The tokens whose logits the direction raises and lowers most on its direct path through the final norm's gain and the unembedding. For B the direction travels as $v_B = v_A R^\top$.
A special token such as end of text is outlined: it stands for no text, and no text here contains one.

**Matched and lost.** Under the map in the bar a feature is *matched* where firing r ≥ 0.5, *partly* where r ≥ 0.2, *lost* below, and *rare* where r cannot be told. The same count under the shuffled R says what chance matches.

**Search.** First the features whose clear label has the word, then those that fire on the word itself, then those where it is a part of a word or stands in an unclear label, last those that promote a token with it; among equals the order *worth opening* (the lesser of F1 and r through R). Any other order of *Sort* is kept as it is.

**The maps.** One UMAP by cosine of three sets: A's directions, B's as they are, and B's through R. A stands above, B below in the same coordinates and under one zoom (wheel or + and −); the slider moves B from one set of places to the other.
A line joins a feature to its partner, and a line straight down means the same place. Distances between far groups mean little. Regions are k-means clusters of the places. A region is named by the clear label (F1 ≥ 0.3), else the word, that it has more of than as many features drawn at random
(hypergeometric tail, times the names and regions tried, times two for labels and words). A name in italics is no more than chance.

**Steer both.** Adds the feature's direction, of length *dose* × the median norm of the steered model's rows, at the chosen site at every position: in A as it is, in B carried by the map in the bar, and in B a random direction of the same length. Words underlined are those on which the feature fires most.

**Contexts.** The test windows in which the feature fires most in A (or in B), or from each quarter of all windows in which it fires, ranked by its largest activation there: the strongest alone flatter a feature.
Both lines show the same text. The tint is the activation, on one scale for both; hover a token for the number. The peak is underlined.
Tokens that are only read as left context, and the first one of a text, are not scored: they are dimmed.

**Controls.** A row of the list, a dot of either map and the number all choose the feature; resting on a row or a dot shows its place and its match on the maps. p and n go to the previous and next one of the list, s stars it. With the box or the lasso of the map, choose a group: the list shows it
(the hand goes back to clicking, and a button above the list takes the group away). The address of the page restores what you see.
"""
