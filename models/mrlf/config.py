"""The settings of MRLF, the network, and its presets `paper` and `small`.

MRLF's own numbers are missing from every copy of the paper (arXiv 2306.07935). Stated there: characters and words of
caption and hashtags, convolution, max-pool, attention in heads, feed-forward with dropout, fusion at the output of the
convolution, one fully connected layer after a frozen VGG19, hashtags dropped that occur fewer than 50 times in a
city (which `pipeline.curate` counts, once). Where `paper` takes the rest from, all of it to vary:

- LocTwi (Huang et al. 2019) and its code, which the character branch follows step by step: char_dim 100, filter sizes
  3 to 7 of 64, window k with stride k-1, 8 heads, dropout .3, word_dim 200, residuals and layer norms, learned
  positions, minimum counts of 10
- TextCNN (Kim 2014, arXiv 1408.5882): word filter sizes 3, 4, 5
- trials of a prototype: the mean over positions instead of LocTwi's sum, which cost 12 to 18 points on 389 real posts;
  hashtag dropout .3; dropout .5 before the last layer
- trials on 776 to 8,000 posts: embeddings that begin with a standard deviation of .1 instead of torch's 1
- guesses: one attention layer (the equations show one), ffn_dim 256 (LocTwi's code), image_fc_dim 256, limits of text

`small` is for a few thousand posts, where a minimum of 10 would leave few words: fewer and narrower filters
(3 and 5, 32 each) and 4 heads. It was tried on made-up cities and on 389 and 1,312 real posts.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from models.data.text import EMBEDDING_STD, TextConfig
from models.settings.config_values import require

Pooling = Literal["mean", "sum"]
PoolRule = Literal["overlapping", "disjoint"]
FusionMode = Literal["early_cross", "early_self", "late", "concat", "text_image"]
Fused = Literal["joins", "replaces"]
Side = Literal["left", "right"]
MODALITIES = ("text", "hashtags", "image")
"""What a post has; text is its caption"""
CHOICES = {"pooling": Pooling, "char_pool": PoolRule, "fusion": FusionMode, "fused": Fused, "even_kernels": Side}


@dataclass(frozen=True, kw_only=True)
class MrlfConfig(TextConfig):
    """The network and its text limits; the defaults are `paper()`.

    `modalities`, `characters` and `words` switch parts of the joined vector (9) off: such a part is not built, and
    what it would have read moves nothing. `fusion` says what F in (9) is; it is built where its two sides are:

    - "early_cross", "early_self": of caption and hashtag characters, at the output of the convolution
    - "late": early_cross after the branches instead of before them, the paper's "text-tag-end"
    - "concat": no F, the parts stand side by side
    - "text_image": the picture asks, the caption's characters answer

    The first three need the characters of caption and hashtags: with text, hashtags or characters off there is no F.
    "text_image" is asked for by name, so without image, text or characters it is refused.

    `hidden_dim` puts a hidden layer beside (10). Equations (9) and (10) add up what each modality says: such a sum
    cannot learn that a tag means one place beside this picture and another beside that one.
    """

    modalities: Annotated[tuple[str, ...], "Input modalities: any of text, hashtags, image."] = MODALITIES
    characters: Annotated[bool, "Use the character branches of caption and hashtags."] = True
    """the character branches of caption and hashtags, and their fusion"""
    words: Annotated[bool, "Use the word branches of caption and hashtags."] = True
    """the word branches of caption and hashtags"""
    char_dim: Annotated[int, "Dimension of character embeddings."] = 100
    embedding_std: Annotated[float, "Standard deviation that embeddings begin with."] = EMBEDDING_STD
    """of characters, their positions and words; torch's own is 1"""
    char_positions: Annotated[bool, "Add learned position embeddings to the characters."] = True
    """learned positions are added to the characters (LocTwi)"""
    char_filter_sizes: Annotated[tuple[int, ...], "Kernel sizes of the convolutions over characters."] = (
        3,
        4,
        5,
        6,
        7,
    )
    char_pool: Annotated[PoolRule, "Max-pooling with window k and stride k-1 (overlapping) or k."] = "overlapping"
    """max-pool window k with stride k-1 (LocTwi) or k"""
    even_kernels: Annotated[Side, "Side on which a kernel of even size reads one position more."] = "right"
    """(1) is centred, so as printed it has no even kernels"""
    norm_after_pool: Annotated[bool, "Layer normalisation after pooling."] = False
    """a layer norm on the pooled map (LocTwi)"""
    num_filters: Annotated[int, "Filters per kernel size."] = 64
    """per filter size, of characters and of words"""
    num_heads: Annotated[int, "Number of attention heads."] = 8
    num_attention_layers: Annotated[int, "Number of attention layers over characters."] = 1
    ffn_dim: Annotated[int, "Dimension of the feed-forward layer."] = 256
    residual_and_norm: Annotated[bool, "Residual connections and layer normalisation around attention."] = True
    """residuals and layer norms round attention and feed-forward (LocTwi)"""
    pooling: Annotated[Pooling, "Pooling over positions."] = "mean"
    fusion: Annotated[FusionMode, "Fusion of caption and hashtags, or of caption and image."] = "early_cross"
    fused: Annotated[Fused, "Whether F joins the character parts that it is made of, or replaces them."] = "joins"
    """"replaces": T_c and H_c are not built, of "text_image" T_c alone"""
    word_dim: Annotated[int, "Dimension of word embeddings."] = 200
    word_filter_sizes: Annotated[tuple[int, ...], "Kernel sizes of the convolutions over words."] = (3, 4, 5)
    image_fc_dim: Annotated[int, "Dimension of the fully connected layer after the image features."] = 256
    dropout: Annotated[float, "Dropout rate in the branches."] = 0.3
    """of whole channels: the same ones at every position of a post"""
    hidden_dim: Annotated[int, "Dimension of a hidden layer beside the output layer; 0: none, as in the paper."] = 0
    """what it says is added to (10)"""
    head_dropout: Annotated[float, "Dropout rate before the output layer, and round the hidden one."] = 0.5
    hashtag_dropout: Annotated[float, "Share of hashtags dropped during training."] = 0.3
    """share of a training post's hashtags that vanish before both of its hashtag encoders"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("modalities", "char_filter_sizes", "word_filter_sizes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("char_dim", "num_filters", "num_heads", "ffn_dim", "word_dim", "image_fc_dim"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(self.embedding_std > 0, "embedding_std", "above 0", self.embedding_std)
        for name in ("dropout", "head_dropout", "hashtag_dropout"):
            require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        for name in ("num_attention_layers", "hidden_dim"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        heads_fit = self.num_filters % self.num_heads == 0
        require(heads_fit, "num_filters", f"divisible by num_heads ({self.num_heads})", self.num_filters)
        smallest_char_size = 2 if self.char_pool == "overlapping" else 1
        for name, smallest in (("char_filter_sizes", smallest_char_size), ("word_filter_sizes", 1)):
            sizes = getattr(self, name)
            require(min(sizes, default=0) >= smallest, name, f"one or more sizes of at least {smallest}", sizes)
        for name, kind in CHOICES.items():
            require(getattr(self, name) in get_args(kind), name, f"one of {get_args(kind)}", getattr(self, name))
        self._check_parts()

    def _check_parts(self) -> None:
        """At least one part stands, and "text_image" has both of its sides."""
        known = set(self.modalities) <= set(MODALITIES) and len(set(self.modalities)) == len(self.modalities) > 0
        require(known, "modalities", f"one or more of {MODALITIES}, each once", self.modalities)
        reads_text = self.reads("text") or self.reads("hashtags")
        has_text_parts = self.characters or self.words or not reads_text
        require(has_text_parts, "characters or words", f"on while modalities are {self.modalities}", "neither")
        if self.fusion == "text_image":
            has_both = self.reads("text") and self.reads("image") and self.characters
            found = f"modalities {self.modalities} and characters {self.characters}"
            require(has_both, "fusion text_image", "given text, image and characters", found)

    def reads(self, modality: str) -> bool:
        """Whether the network looks at this modality."""
        return modality in self.modalities

    @property
    def has_fusion(self) -> bool:
        """Whether there is an F in (9): fusion is asked for and both of its sides are there."""
        if self.fusion in ("concat", "text_image"):
            return self.fusion == "text_image"
        return self.characters and self.reads("text") and self.reads("hashtags")

    def has_own_characters(self, modality: str) -> bool:
        """Whether T_c or H_c, the character part of text or hashtags, stands in (9) beside F."""
        sides = ("text",) if self.fusion == "text_image" else ("text", "hashtags")
        is_replaced = self.has_fusion and self.fused == "replaces" and modality in sides
        return self.characters and self.reads(modality) and not is_replaced

    def has_branch(self, modality: str) -> bool:
        """Whether there is attention over the characters of text or hashtags: for its own part, or for late fusion."""
        return self.has_own_characters(modality) or (self.has_fusion and self.fusion == "late")

    @classmethod
    def paper(cls) -> "MrlfConfig":
        """The reconstruction at the paper's scale, for about 5,000 posts and more."""
        return cls()

    @classmethod
    def small(cls) -> "MrlfConfig":
        """For fewer than about 5,000 posts."""
        return cls(
            min_char_count=2,
            min_word_count=2,
            char_dim=32,
            word_dim=64,
            char_filter_sizes=(3, 5),
            word_filter_sizes=(3, 5),
            num_filters=32,
            num_heads=4,
            ffn_dim=64,
            image_fc_dim=64,
        )
