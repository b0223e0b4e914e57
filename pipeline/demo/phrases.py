"""What people of the demo city write: English sentences by what they say, real sentences in other languages, tags.

`{place}` is a place's name, `{detail}` something to see there, `{who}`, `{day}` and `{time}` are filled at random.
"""

WHO = (
    "my sister",
    "an old friend",
    "the whole family",
    "my parents",
    "two good friends",
    "my favourite person",
    "the kids",
    "my cousin",
    "a colleague",
    "nobody but my camera",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIMES = ("morning", "afternoon", "evening", "weekend", "day off", "lunch break")

NOISE = (
    "What a lovely way to spend a {day}.",
    "We could not have asked for a better {time}.",
    "I needed this {time} more than I thought.",
    "Some days are just better than others.",
    "I am so happy that I came here with {who}.",
    "Spent the {time} with {who} and did not look at the time once.",
    "It was raining all week, but today the weather was kind to us.",
    "I keep coming back and I still find something new.",
    "Nothing beats a slow {time} with {who}.",
    "If you know, you know.",
    "This is the first picture I have taken in weeks.",
    "I will be thinking about this {time} for a long while.",
    "Please take me back to last {day}.",
    "Today was one of those days that you want to keep.",
    "There is always something going on in this town.",
    "We stayed much longer than we had planned.",
    "My feet hurt, but it was worth every step.",
    "I promised {who} that we would do this before the end of the year.",
    "Good company makes everything better.",
    "Who would have thought that a {day} could be this good?",
    "The light was so beautiful that I had to stop for a minute.",
    "I have lived here for years and this was my first time.",
    "Thank you to {who} for this little adventure.",
    "No filter, no plan, just a good {time}.",
    "We laughed so much that people started to look at us.",
    "It is the small things that make me happy.",
    "Here is a little memory from last {day}.",
    "Too many pictures to choose from, so here is one of them.",
    "The best part of the week, without any doubt.",
    "I should do this more often.",
)

CUES = (
    (
        "Up before the sun and before everybody else.",
        "Nobody was awake yet.",
        "The first one here with a cup of coffee in hand.",
    ),
    (
        "It was long after midnight.",
        "The last ones to leave, as always.",
        "Stayed until they put the lights out.",
    ),
)
"""Early or late: what decides, beside one of `PAIR_TAGS`, between the two places of a pair."""

WITH_NAME = (
    "We finally made it to {place}.",
    "I love {place} more every time that I visit.",
    "This is {place} on a quiet {day}.",
    "Is there anything better than {place} on a {day}?",
    "I spent the whole {time} at {place} with {who}.",
    "You really have to see {place} at least once.",
    "Another {time} at {place}, and I have no regrets.",
)

WITH_DETAIL = (
    "My favourite part was {detail}.",
    "Nobody had told me about {detail}.",
    "Just look at {detail}!",
    "I could not stop talking about {detail}.",
    "We came all this way for {detail}.",
    "I took about forty pictures of {detail}.",
    "If you go, do not miss {detail}.",
)

WITH_OTHER_NAME = (
    "Next stop is {place}.",
    "On the way back we walked past {place}.",
    "Yesterday it was {place}, today it is this.",
    "Almost as good as {place}.",
)

BY_CATEGORY = (
    (
        "The view from up here is unreal.",
        "Fresh air and a long walk, that is all I need.",
        "We watched the sun go down over the water.",
        "The sky put on a show for us.",
        "A walk outside fixes almost everything.",
        "There is so much green at this time of the year.",
        "The wind almost took my hat.",
        "You can see half of the town from this spot.",
        "The path was muddy but the landscape made up for it.",
    ),
    (
        "The food was worth the wait.",
        "I ate far too much and I am not sorry.",
        "The kitchen was on fire tonight, in the best way.",
        "I could order the whole menu again.",
        "Everything on this plate was delicious.",
        "We shared every dish and fought over the last bite.",
        "The smell alone made me hungry.",
        "A warm drink and something sweet, please.",
        "Our waiter was the nicest person in the world.",
    ),
    (
        "The exhibition made me think for hours.",
        "I have never seen a show like this one.",
        "The artists behind this deserve all the applause.",
        "We bought the tickets at the very last minute.",
        "So much talent in one building.",
        "Every room tells another story.",
        "I left with my head full of pictures.",
        "Culture is good for the soul.",
        "The audience was silent until the very end.",
    ),
    (
        "We nearly missed our departure again.",
        "The journey is half of the fun.",
        "Waiting for my ride with a book in my hand.",
        "My bags are packed and I am ready to travel.",
        "The commute is not so bad when it looks like this.",
        "All aboard, next stop is home.",
        "I bought a ticket and got a window seat.",
        "Delayed again, but at least the passengers were friendly.",
        "There is something about arrivals and goodbyes.",
    ),
)

OTHER_LANGUAGES = {
    "es": (
        "Qué tarde tan bonita pasamos en {place} con toda la familia.",
        "Me encanta venir aquí los domingos por la mañana.",
        "No me esperaba que {place} fuera un lugar tan especial.",
        "Volveremos pronto, porque nos quedaron muchas cosas por ver.",
    ),
    "fr": (
        "Quel bel après-midi à {place} avec mes amis.",
        "Je ne me lasse jamais de cet endroit magnifique.",
        "Nous avons passé une journée merveilleuse malgré la pluie.",
        "Si vous passez par ici, il faut absolument voir {place}.",
    ),
    "de": (
        "Was für ein schöner Nachmittag mit der ganzen Familie.",
        "Wir waren heute bei {place} und kommen bestimmt bald wieder.",
        "Endlich wieder Sonne, und wir hatten den ganzen Tag frei.",
        "Hier könnte ich jeden Sonntag verbringen, so gut gefällt es mir.",
    ),
    "pt": (
        "Que dia maravilhoso passamos em {place} com os amigos.",
        "Não consigo parar de olhar para esta fotografia.",
        "Voltamos no próximo mês, porque não deu tempo de ver tudo.",
    ),
    "it": (
        "Che bella giornata abbiamo passato a {place} con tutta la famiglia.",
        "Non vedo l'ora di tornare qui con i miei amici.",
    ),
    "ja": (
        "今日は友達と一緒にここへ来ました。とても楽しかったです。",
        "天気が良くて、最高の一日になりました。",
        "また来週も来たいと思います。",
    ),
    "ar": (
        "قضينا يوما جميلا هنا مع العائلة والأصدقاء.",
        "هذا المكان رائع جدا وسأعود إليه قريبا.",
    ),
    "hi": (
        "आज का दिन परिवार के साथ बहुत अच्छा बीता।",
        "यह जगह मुझे बहुत पसंद आई, हम फिर से आएँगे।",
    ),
}

GENERIC_TAGS = (
    "demoria",
    "photooftheday",
    "instagood",
    "travel",
    "visitdemoria",
    "weekend",
    "love",
    "photography",
    "city",
    "happy",
    "demoriadiaries",
    "friends",
    "beautiful",
    "nofilter",
    "igersdemoria",
    "picoftheday",
    "citylife",
    "memories",
    "explore",
    "goodvibes",
    "café",
    "wanderlust",
    "family",
    "sunday",
    "democity",
    "lifestyle",
    "smile",
    "moments",
    "夜景",
    "throwback",
    "colours",
    "dayoff",
    "यात्रा",
    "streetphotography",
    "localgem",
    "hello",
    "autumn",
    "spring",
    "fotografía",
    "discover",
    "home",
    "slowliving",
    "mood",
    "neighbourhood",
    "سفر",
    "weekendvibes",
    "today",
    "summer",
    "winter",
    "straßenfoto",
    "light",
    "myview",
    "சுற்றுலா",
    "littlethings",
    "goodday",
    "ท่องเที่ยว",
    "snapshot",
    "upforanything",
    "gününfotoğrafı",
    "syntheticcity",
)
"""Tags of the whole city and of anything, the frequent ones first."""

CATEGORY_TAGS = (
    ("view", "nature", "outdoors", "skyline", "walk", "freshair", "landscape", "hiking"),
    ("foodie", "yum", "delicious", "foodstagram", "hungry", "cheers", "brunch", "tasty"),
    ("art", "culture", "exhibition", "artlovers", "onstage", "museumday", "creative", "curtaincall"),
    ("travelgram", "ontheroad", "commute", "journey", "railfans", "departures", "transit", "ticket"),
)

PAIR_TAGS = (
    ("halfpastnine", "undertheoldsign"),
    ("secondfloorplease", "thirdbenchleft"),
    ("meetmeatthecorner", "onemoreround"),
    ("rightbehindthewall", "lookupandsmile"),
    ("rowsixseatten", "keepthechange"),
    ("threestepsdown", "mindthepuddle"),
)
"""By pair of places: tags that both of them have."""

EMOJIS = ("❤️", "✨", "😍", "🙌", "📷", "🌿", "☀️", "😊", "👌", "🎉")
