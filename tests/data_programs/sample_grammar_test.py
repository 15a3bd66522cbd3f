"""The grammar of the sample corpus: each language against sentences written by hand."""

import itertools

import pytest

from data.sample.grammar import CLASSES, grammars
from data.sample.grammar.clause import Grammar
from data.sample.lexicon import Concepts
from data.sample.meaning import Action, Existence, Location, Meaning, NounPhrase, Quality, combinations
from data.sample.sampling import meanings

MY_BROTHER = NounPhrase("brother", "my")
CHILDREN = NounPhrase("child", "the", plural=True)

# What every language has to be able to say, in its own order of words.
MEANINGS: dict[str, Meaning] = {
    "numeral, past": Action(
        "buy", MY_BROTHER, NounPhrase("apple", "three", True, "red"), tense="past", time="yesterday"
    ),
    "negation, plural": Action(
        "close", "she", NounPhrase("door", "the", True), tense="past", mood="negation", time="this_morning"
    ),
    "question, mass noun": Action(
        "drink", "you", NounPhrase("water", "bare", False, "cold"), tense="habit", mood="question", time="every_day"
    ),
    "modal, possessive": Action("sell", "i", NounPhrase("car", "my", False, "old"), modal="want", mood="negation"),
    "fronted time, motion": Action(
        "go", NounPhrase("sister", "our"), None, "library", tense="future", time="tomorrow", fronted=True
    ),
    "quality": Quality(NounPhrase("book", "this", plural=True), "expensive", "question"),
    "location": Location(NounPhrase("cat", "the"), "under_the_table", "negation"),
    "existence": Existence(NounPhrase("bird", "two", True, "small"), "in_the_garden"),
    "going on, place": Action("read", CHILDREN, NounPhrase("book", "a", False, "new"), place="in_the_park"),
    "who": Action("see", "who", NounPhrase("brother", "your"), tense="past", mood="question", time="yesterday"),
}

EXPECTED = {
    "en": [
        "My brother bought three red apples yesterday.",
        "She did not close the doors this morning.",
        "Do you drink cold water every day?",
        "I do not want to sell my old car.",
        "Tomorrow, our sister will go to the library.",
        "Are these books expensive?",
        "The cat is not under the table.",
        "There are two small birds in the garden.",
        "The children are reading a new book in the park.",
        "Who saw your brother yesterday?",
    ],
    "de": [
        "Mein Bruder hat gestern drei rote Äpfel gekauft.",
        "Sie hat die Türen heute Morgen nicht zugemacht.",
        "Trinkst du jeden Tag kaltes Wasser?",
        "Ich will mein altes Auto nicht verkaufen.",
        "Morgen wird unsere Schwester in die Bibliothek gehen.",
        "Sind diese Bücher teuer?",
        "Die Katze ist nicht unter dem Tisch.",
        "Im Garten sind zwei kleine Vögel.",
        "Die Kinder lesen gerade im Park ein neues Buch.",
        "Wer hat gestern deinen Bruder gesehen?",
    ],
    "es": [
        "Mi hermano compró tres manzanas rojas ayer.",
        "Ella no cerró las puertas esta mañana.",
        "¿Bebes agua fría todos los días?",
        "No quiero vender mi coche viejo.",
        "Mañana nuestra hermana irá a la biblioteca.",
        "¿Son caros estos libros?",
        "El gato no está debajo de la mesa.",
        "Hay dos pájaros pequeños en el jardín.",
        "Los niños están leyendo un libro nuevo en el parque.",
        "¿Quién vio a tu hermano ayer?",
    ],
    "fr": [
        "Mon frère a acheté trois pommes rouges hier.",
        "Elle n'a pas fermé les portes ce matin.",
        "Est-ce que tu bois de l'eau froide tous les jours ?",
        "Je ne veux pas vendre ma vieille voiture.",
        "Demain, notre sœur ira à la bibliothèque.",
        "Est-ce que ces livres sont chers ?",
        "Le chat n'est pas sous la table.",
        "Il y a deux petits oiseaux dans le jardin.",
        "Les enfants sont en train de lire un nouveau livre dans le parc.",
        "Qui a vu ton frère hier ?",
    ],
    "id": [
        "Saudara laki-laki saya membeli tiga apel merah kemarin.",
        "Dia tidak menutup pintu-pintu itu tadi pagi.",
        "Apakah kamu minum air dingin setiap hari?",
        "Saya tidak ingin menjual mobil tua saya.",
        "Besok, saudara perempuan kami akan pergi ke perpustakaan.",
        "Apakah buku-buku ini mahal?",
        "Kucing itu tidak ada di bawah meja.",
        "Ada dua burung kecil di kebun.",
        "Anak-anak itu sedang membaca sebuah buku baru di taman.",
        "Siapa yang melihat saudara laki-lakimu kemarin?",
    ],
    "ja": [
        "私の兄は昨日赤いりんごを三個買いました。",
        "彼女は今朝そのドアを閉めませんでした。",
        "あなたは毎日冷たい水を飲みますか。",
        "私は自分の古い車を売りたくありません。",
        "明日、私たちの姉は図書館に行きます。",
        "この本は高いですか。",
        "その猫はテーブルの下にいません。",
        "庭に小さい鳥が二羽います。",
        "子供たちは公園で新しい本を読んでいます。",
        "誰が昨日あなたのお兄さんを見ましたか。",
    ],
    "nl": [
        "Mijn broer heeft gisteren drie rode appels gekocht.",
        "Zij heeft de deuren vanmorgen niet gesloten.",
        "Drink jij elke dag koud water?",
        "Ik wil mijn oude auto niet verkopen.",
        "Morgen gaat onze zus naar de bibliotheek.",
        "Zijn deze boeken duur?",
        "De kat is niet onder de tafel.",
        "Er zijn twee kleine vogels in de tuin.",
        "De kinderen zijn in het park een nieuw boek aan het lezen.",
        "Wie heeft gisteren jouw broer gezien?",
    ],
    "pt": [
        "Meu irmão comprou três maçãs vermelhas ontem.",
        "Ela não fechou as portas hoje de manhã.",
        "Você bebe água fria todos os dias?",
        "Eu não quero vender meu carro velho.",
        "Amanhã, nossa irmã vai à biblioteca.",
        "Estes livros são caros?",
        "O gato não está debaixo da mesa.",
        "Há dois pássaros pequenos no jardim.",
        "As crianças estão lendo um livro novo no parque.",
        "Quem viu seu irmão ontem?",
    ],
    "ru": [
        "Мой брат вчера купил три красных яблока.",
        "Она сегодня утром не закрыла двери.",
        "Ты каждый день пьёшь холодную воду?",
        "Я не хочу продавать свою старую машину.",
        "Завтра наша сестра пойдёт в библиотеку.",
        "Эти книги дорогие?",
        "Кошка не под столом.",
        "В саду две маленькие птицы.",
        "Дети читают новую книгу в парке.",
        "Кто вчера видел твоего брата?",
    ],
    "tr": [
        "Erkek kardeşim dün üç kırmızı elma satın aldı.",
        "Bu sabah kapıları kapatmadı.",
        "Her gün soğuk su içiyor musun?",
        "Eski arabamı satmak istemiyorum.",
        "Yarın kız kardeşimiz kütüphaneye gidecek.",
        "Bu kitaplar pahalı mı?",
        "Kedi masanın altında değil.",
        "Bahçede iki küçük kuş var.",
        "Çocuklar parkta yeni bir kitap okuyorlar.",
        "Dün erkek kardeşini kim gördü?",
    ],
    "zh": [
        "我哥哥昨天买了三个红色的苹果。",
        "她今天早上没关上那些门。",
        "你每天都喝冷水吗？",
        "我不想卖我的旧汽车。",
        "明天我们的姐姐会去图书馆。",
        "这些书贵吗？",
        "那只猫不在桌子下面。",
        "花园里有两只小鸟。",
        "那些孩子正在公园里读一本新书。",
        "谁昨天看见了你哥哥？",
    ],
}

# What is peculiar to one language.
PECULIAR: list[tuple[str, Meaning, str]] = [
    (
        "en",
        Existence(NounPhrase("umbrella", "a", False, "old"), "on_the_chair"),
        "There is an old umbrella on the chair.",
    ),
    ("en", Location(NounPhrase("key", "the", True), mood="question"), "Where are the keys?"),
    # A weak masculine takes -en in the accusative; teuer loses its e; a mass noun is negated by kein.
    (
        "de",
        Action("see", "i", NounPhrase("student", "the", False, "young"), tense="past", time="yesterday"),
        "Ich habe gestern den jungen Studenten gesehen.",
    ),
    ("de", Quality(NounPhrase("car", "our", False, "expensive"), "new"), "Unser teures Auto ist neu."),
    (
        "de",
        Action("drink", "he", NounPhrase("coffee", "bare", False, "hot"), mood="negation"),
        "Er trinkt gerade keinen heißen Kaffee.",
    ),
    (
        "de",
        Action("go", "you", None, "museum", "past", mood="question", time="last_week"),
        "Bist du letzte Woche ins Museum gegangen?",
    ),
    # The feminine agua takes el, people take a, and a + el is al.
    ("es", Quality(NounPhrase("water", "the"), "cold"), "El agua está fría."),
    (
        "es",
        Action("see", "they", NounPhrase("teacher", "the"), tense="past", time="yesterday"),
        "Ellos vieron al profesor ayer.",
    ),
    # Elision, a masculine before a vowel, the participle after être, de under negation.
    (
        "fr",
        Action("buy", "i", NounPhrase("computer", "a", False, "new"), tense="past", time="yesterday"),
        "J'ai acheté un nouvel ordinateur hier.",
    ),
    ("fr", Action("go", "she", None, "school", "past", time="yesterday"), "Elle est allée à l'école hier."),
    ("fr", Existence(NounPhrase("egg", "a"), "in_the_box", "question"), "Est-ce qu'il y a un œuf dans la boîte ?"),
    (
        "fr",
        Action("eat", CHILDREN, NounPhrase("meat", "bare"), mood="negation", time="now"),
        "Les enfants ne mangent pas de viande maintenant.",
    ),
    ("fr", Action("buy", "we", NounPhrase("bread", "bare"), modal="must"), "Nous devons acheter du pain."),
    (
        "id",
        Action("wash", "i", NounPhrase("car", "your", False, "red"), tense="future", time="tomorrow"),
        "Saya akan mencuci mobil merahmu besok.",
    ),
    # What another wants is seen, not felt.
    (
        "ja",
        Action("buy", "he", NounPhrase("house", "a", False, "new"), modal="want"),
        "彼は新しい家を買いたがっています。",
    ),
    ("ja", Action("buy", "i", NounPhrase("house", "a", False, "new"), modal="want"), "私は新しい家を買いたいです。"),
    ("ja", Location(NounPhrase("bag", "your"), mood="question"), "あなたのかばんはどこにありますか。"),
    # A het-word inflects its adjective after ons, not after een; jij loses the t of the verb before it.
    ("nl", Quality(NounPhrase("house", "our", False, "new"), "big"), "Ons nieuwe huis is groot."),
    (
        "nl",
        Action("see", "we", NounPhrase("house", "a", False, "new"), tense="past", time="yesterday"),
        "Wij hebben gisteren een nieuw huis gezien.",
    ),
    (
        "nl",
        Action("clean", "you", NounPhrase("kitchen", "the"), tense="habit", time="every_day", fronted=True),
        "Elke dag maak jij de keuken schoon.",
    ),
    ("nl", Existence(NounPhrase("letter", "a"), "in_the_bag"), "Er zit een brief in de tas."),
    (
        "pt",
        Action("buy", "we", NounPhrase("chair", "two", True, "white"), tense="future", time="tomorrow"),
        "Nós vamos comprar duas cadeiras brancas amanhã.",
    ),
    ("pt", Action("go", "i", None, "bank", "future", time="tomorrow"), "Eu vou ao banco amanhã."),
    ("pt", Quality(NounPhrase("coffee", "the"), "hot", "negation"), "O café não está quente."),
    # Animate numerals, five and more with the genitive plural, the gender of must, the process of drinking.
    (
        "ru",
        Action("buy", "he", NounPhrase("dog", "two", True, "white"), tense="past", time="yesterday"),
        "Он вчера купил двух белых собак.",
    ),
    (
        "ru",
        Action("buy", "he", NounPhrase("apple", "five", True, "red"), tense="past", time="yesterday"),
        "Он вчера купил пять красных яблок.",
    ),
    ("ru", Action("buy", "she", NounPhrase("milk", "bare"), modal="must"), "Она должна купить молоко."),
    (
        "ru",
        Action("drink", "we", NounPhrase("tea", "bare"), tense="future", time="tomorrow"),
        "Мы завтра будем пить чай.",
    ),
    (
        "ru",
        Action("drink", "we", NounPhrase("tea", "this"), tense="future", time="tomorrow"),
        "Мы завтра выпьем этот чай.",
    ),
    ("ru", Action("see", "she", NounPhrase("man", "the"), tense="past", time="yesterday"), "Она вчера видела мужчину."),
    # Harmony, softened k, what may stand between a question word and the verb, the capital of i.
    (
        "tr",
        Action("wash", "we", NounPhrase("dog", "our"), tense="future", time="tomorrow"),
        "Yarın köpeğimizi yıkayacağız.",
    ),
    ("tr", Action("read", "i", NounPhrase("letter", "your"), modal="can", mood="negation"), "Mektubunu okuyamam."),
    (
        "tr",
        Action("sell", "who", NounPhrase("knife", "a"), tense="past", mood="question", time="two_days_ago"),
        "İki gün önce kim bir bıçak sattı?",
    ),
    ("tr", Quality("you", "ill", "question"), "Hasta mısın?"),
    ("tr", Location("we", "in_the_kitchen"), "Mutfaktayız."),
    ("tr", Quality("i", "happy", "negation"), "Mutlu değilim."),
    ("zh", Quality(NounPhrase("phone", "your", False, "expensive"), "new", "negation"), "你昂贵的手机不是新的。"),
    ("zh", Action("read", "i", NounPhrase("newspaper", "this"), mood="negation", time="now"), "我现在没在读这份报纸。"),
    (
        "zh",
        Action("buy", "you", NounPhrase("car", "the"), tense="future", mood="question", time="when"),
        "你什么时候会买那辆汽车？",
    ),
]


@pytest.fixture(scope="module")
def concepts() -> Concepts:
    return Concepts()


@pytest.fixture(scope="module")
def languages(concepts: Concepts) -> dict[str, Grammar]:
    return grammars(concepts)


@pytest.mark.parametrize("code", list(CLASSES))
def test_sentences_written_by_hand(languages: dict[str, Grammar], code: str) -> None:
    said = [languages[code].sentence(meaning) for meaning in MEANINGS.values()]
    assert said == EXPECTED[code]


@pytest.mark.parametrize(("code", "meaning", "expected"), PECULIAR, ids=[expected for _, _, expected in PECULIAR])
def test_peculiarities(languages: dict[str, Grammar], code: str, meaning: Meaning, expected: str) -> None:
    assert languages[code].sentence(meaning) == expected


@pytest.mark.parametrize("code", list(CLASSES))
def test_orthography(concepts: Concepts, languages: dict[str, Grammar], code: str) -> None:
    """Nothing missing shows as a double space, and each language ends its sentences in its own way."""
    marks = {"fr": (".", " ?"), "ja": ("。", "か。"), "zh": ("。", "？")}.get(code, (".", "?"))
    for meaning in itertools.islice(meanings(concepts, "orthography"), 1000):
        sentence = languages[code].sentence(meaning)
        assert sentence.endswith(marks[meaning.mood == "question"]), sentence
        assert "  " not in sentence and sentence == sentence.strip() and " ," not in sentence, sentence
        assert (" " in sentence) <= (code not in {"ja", "zh"}), sentence
        assert sentence.startswith("¿") == (code == "es" and meaning.mood == "question"), sentence
        assert not sentence[0].islower(), sentence


def test_combinations_of_a_meaning() -> None:
    assert combinations(MEANINGS["numeral, past"]) == {("buy", "apple"), ("red", "apple")}
    assert combinations(MEANINGS["quality"]) == {("expensive", "book")}
    assert combinations(MEANINGS["existence"]) == {("small", "bird")}
    assert combinations(MEANINGS["fronted time, motion"]) == set()
