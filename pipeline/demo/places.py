"""The invented places of the demo city: names, details people mention, hashtags, colours.

None of them is real. Each category has three; the last place of the table is the one that few people post from.
"""

from dataclasses import dataclass

from pipeline.demo.canvas import Color

CATEGORIES = ("Landmarks and Outdoors", "Dining and Drinking", "Arts and Entertainment", "Travel and Transportation")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place: what it is, how people write of it, and what its pictures look like.

    location_names: the Instagram locations that stand for it. scene: the kind of picture most taken there.
    """

    name: str
    category: int
    category_name: str
    details: tuple[str, str, str]
    tags: tuple[str, ...]
    location_names: tuple[str, ...]
    scene: str
    accent: Color
    second: Color

    @property
    def semantic_label(self) -> str:
        """The top-level category."""
        return CATEGORIES[self.category]


PLACES = (
    Place(
        name="Quillmoor Lookout",
        category=0,
        category_name="Scenic Lookout",
        scene="lookout",
        details=("the brass telescope", "the crooked pine by the railing", "the long stairs up the ridge"),
        tags=("quillmoor", "quillmoorlookout", "quillmoorviews", "brasstelescope", "ridgestairs", "crookedpine"),
        location_names=("Quillmoor Lookout, Demoria", "Quíllmoor Lookout Point"),
        accent=(0.72, 0.25, 0.20),
        second=(0.88, 0.84, 0.74),
    ),
    Place(
        name="Pepperwick Noodle Bar",
        category=1,
        category_name="Noodle Restaurant",
        scene="table",
        details=("the smoked chilli broth", "the paper dragon over the counter", "the hand-pulled noodles"),
        tags=("pepperwick", "pepperwicknoodles", "chillibroth", "handpulled", "paperdragon", "slurpclub"),
        location_names=("Pepperwick Noodle Bar", "PEPPERWICK Noodle Bar DMC"),
        accent=(0.80, 0.16, 0.14),
        second=(0.30, 0.20, 0.16),
    ),
    Place(
        name="Inkwren Gallery",
        category=2,
        category_name="Art Gallery",
        scene="gallery",
        details=("the room of paper birds", "the blue ink wall", "the upside-down portraits"),
        tags=("inkwren", "inkwrengallery", "paperbirds", "blueinkwall", "upsidedownart", "wrenroom"),
        location_names=("Inkwren Gallery DMC", "Inkwren Gallery, Demoria"),
        accent=(0.14, 0.26, 0.62),
        second=(0.86, 0.88, 0.92),
    ),
    Place(
        name="Northspindle Station",
        category=3,
        category_name="Train Station",
        scene="platform",
        details=("the copper departure board", "the spiral footbridge", "the old platform clock"),
        tags=("northspindle", "northspindlestation", "copperboard", "spiralbridge", "platformclock", "platformsix"),
        location_names=("Northspindle Station", "Northspindle Statión, Demoria"),
        accent=(0.12, 0.42, 0.30),
        second=(0.90, 0.76, 0.28),
    ),
    Place(
        name="Mirrowen Gardens",
        category=0,
        category_name="Botanical Garden",
        scene="garden",
        details=("the lily pond", "the stepping stones across the water", "the maple tunnel"),
        tags=("mirrowen", "mirrowengardens", "mirrowenpond", "lilypond", "mapletunnel", "steppingstones"),
        location_names=("Mirrowen Gardens", "Mírrowen Gardens DMC"),
        accent=(0.88, 0.36, 0.56),
        second=(0.96, 0.82, 0.36),
    ),
    Place(
        name="Oatfeather Bakery",
        category=1,
        category_name="Bakery",
        scene="shop",
        details=("the plum and rye buns", "the flour-dusted counter", "the blue oven door"),
        tags=("oatfeather", "oatfeatherbakery", "plumbuns", "blueovendoor", "flourdust", "sixambuns"),
        location_names=("Oatfeather Bakery, Demoria",),
        accent=(0.22, 0.46, 0.72),
        second=(0.90, 0.78, 0.56),
    ),
    Place(
        name="Velvetine Theatre",
        category=2,
        category_name="Theater",
        scene="stage",
        details=("the velvet curtain", "the painted ceiling", "the creaky seats in row nine"),
        tags=("velvetine", "velvetinetheatre", "velvetcurtain", "rownine", "paintedceiling", "secondact"),
        location_names=("Velvetine Theatre", "Velvétine Theatre (Old Stage)"),
        accent=(0.62, 0.08, 0.22),
        second=(0.98, 0.80, 0.40),
    ),
    Place(
        name="Heronquay Ferry Terminal",
        category=3,
        category_name="Boat or Ferry",
        scene="ferry",
        details=("the red ferry", "the gulls on the pier", "the rope around the old posts"),
        tags=("heronquay", "heronquayferry", "redferry", "piergulls", "lastferry", "ropeandtar"),
        location_names=("Heronquay Ferry Terminal", "Heronquay Ferry Términal DMC"),
        accent=(0.84, 0.22, 0.16),
        second=(0.16, 0.26, 0.46),
    ),
    Place(
        name="Saltglass Bridge",
        category=0,
        category_name="Bridge",
        scene="bridge",
        details=("the green glass railing", "the humming cables", "the bridge keeper's little tower"),
        tags=("saltglass", "saltglassbridge", "crossingsaltglass", "hummingcables", "greenrailing", "bridgekeeper"),
        location_names=("Saltglass Bridge", "Saltgläss Bridge, Demoria"),
        accent=(0.20, 0.56, 0.50),
        second=(0.92, 0.92, 0.88),
    ),
    Place(
        name="Brambleloft Rooftop",
        category=1,
        category_name="Rooftop Bar",
        scene="bar",
        details=("the bramble spritz", "the string lights on the roof", "the tiny plates of olives"),
        tags=("brambleloft", "brambleloftrooftop", "bramblespritz", "stringlights", "tinyplates", "loftnights"),
        location_names=("Brambleloft Rooftop DMC",),
        accent=(0.46, 0.20, 0.48),
        second=(0.30, 0.34, 0.30),
    ),
    Place(
        name="Hollowbell Museum",
        category=2,
        category_name="History Museum",
        scene="hall",
        details=("the cracked bell", "the clockwork whale", "the hall of tiny machines"),
        tags=("hollowbell", "hollowbellmuseum", "crackedbell", "clockworkwhale", "tinymachines", "bellhall"),
        location_names=("Hollowbell Museum", "Hollowbell Muséum of Demoria"),
        accent=(0.60, 0.46, 0.14),
        second=(0.62, 0.68, 0.70),
    ),
    Place(
        name="Tinderway Tram Depot",
        category=3,
        category_name="Tram Station",
        scene="tram",
        details=("the yellow number four tram", "the turntable in the yard", "the web of overhead wires"),
        tags=("tinderway", "tinderwaytram", "numberfour", "tramdepot", "overheadwires", "turntableyard"),
        location_names=("Tinderway Tram Depot",),
        accent=(0.92, 0.74, 0.18),
        second=(0.70, 0.14, 0.12),
    ),
)

SCENES = {
    0: ("lookout", "garden", "bridge"),
    1: ("table", "bar", "shop"),
    2: ("gallery", "stage", "hall"),
    3: ("platform", "ferry", "tram"),
}
"""The kinds of picture of each category: a place has one of its own and borrows the others at times."""

ANYWHERE_SCENES = ("sunset", "flowers", "bokeh", "coffee")
"""Pictures that say nothing of their place."""

ELSEWHERE = ("Demoria", "Demoria Old Town", "Planet Synthetic", "Anywhere But Home")
"""Instagram locations that are no place of the list."""
