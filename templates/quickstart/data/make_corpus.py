"""Write the quick-start corpus: synthetic English sentences with person, location, organisation and
product names.

    python make_corpus.py

rewrites train.jsonl, validation.jsonl, test.jsonl and unlabelled.jsonl beside this file, the same
bytes on every run. Everything here was written for this corpus and is dedicated to the public
domain (CC0-1.0, see LICENSE).

A sentence is a pattern with its slots filled. In a pattern, split at spaces,

    {p} {l} {o} {r}   is a name of a person, location, organisation or product in any form,
    {pf} {p1} {pl}    a full name, a first name alone, a surname alone,
    {lt} {os} {rs}    a bare town, a short organisation name, a short product name,
    <day>             an unlabelled filler word from FILLERS (or <thing>: an ordinary noun that
                      another sentence of the same split may use as a name),
    this|that         one of several words, anything else is itself.

Each split has its own patterns and its own name parts, so a model cannot score by remembering
either; `check` refuses a corpus in which they overlap.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

SEED = 20260
COUNTS = {"train": 900, "validation": 270, "test": 270, "unlabelled": 1500}
TYPES = {"p": "person", "l": "location", "o": "organisation", "r": "product"}
PAIRS = 0.3  # share of entries that are two sentences, so that lengths and mixes of names vary
LENGTHS = range(4, 34)  # tokens in a sentence
T = TypeVar("T")

# --- Name parts --------------------------------------------------------------------------------
# One entry a split. A part never belongs to two splits: `check_parts` makes sure.

# First names.
FIRST = {
    "train": """Maria Tom Aisha Henrik Priya Diego Wei Fatima Oskar Chloe Samuel Ingrid Rajesh Yuki
        Elena Marcus Nadia Patrick Leila Bjorn Grace Kofi Sofia Declan Mei Hassan Greta Julian
        Amara Viktor Lucy Pedro Zoë Walter Naomi Stefan Ruth Ibrahim Clara Dmitri Mark Hannah
        Andrea Ben Camila Daniel Emily Farid Georgia Harry Ines James Kamala Lukas Miriam Nils
        Parvati Rosie Simon Tara Victoria Adam Khadija Leon Manuel Sunita Alan Erika""",
    "validation": """Olivia Karim Beatriz Sven Tanisha Giorgio Anneke Malik Rosalind Hiroshi Fiona
        Emeka Katya Lorenzo Bridget Arjun Noor Gustav Paloma Desmond Søren Ivy Rosa Cyrus""",
    "test": """Isabel Tariq Johanna Kwame Valeria Niklas Shreya Ronan Mireille Takeshi Freya Abdul
        Louisa Mateo Agnes Zainab Conrad Yvonne Ravi Margot Léon Pearl Jasper Hazel""",
    "unlabelled": """Anders Bianca Chidi Delphine Eduardo Farah Gavin Helga Imran Josephine Kenji
        Lidia Mohammed Natasha Omar Petra Quentin Rebecca Santiago Thandiwe Ursula Vincent Wanda
        Xavier Yasmin Zoltan Amy Boris Celia Dev Esther Frank Gwen Hugo Irene Jorge""",
}
# Heads of English-sounding cores. A core such as Penby may be a surname, a town, a company or a
# product: only the sentence around it tells, which is what makes the task hard.
HEADS = {
    "train": """Ash Bram Cald Dun Elm Farn Gar Hazel Kirk Lang Marl Nor Oak Pen Rams Stan Thorn
        Wake Whit Hart Brad Sel Tun""",
    "validation": "Birch Cran Der Ever Fen Gren Hather Kels Lin Mel Ravens Tarn",
    "test": "Al Black Chad Dray Egg Fal Hol Ing Led Mun Sker Wins",
    "unlabelled": """Apple Barn Clay Ditch Ex Fox Glen Hedge Ivel Lower Mid Nether Old Pick Quarn
        Rod Shel Tad Up Wold""",
}
TAILS = "ford well by wick ley more ton stead field worth combe hurst"
# Syllables of cores that sound like no language in particular, used in the same four ways.
SYLLABLES = {
    "train": "ka mi ro ten shi va lo du ner za bi tor el so na qui ma ri",
    "validation": "pra ju wen do fi kos ah lem tu gan yo ber",
    "test": "sta ve ru ong pi cha dra mo lis hu eb nix",
    "unlabelled": "ga po rin thu ce bal os ji wa nor fe dal kry ut lan mu",
}
# Ordinary nouns that companies and products are named after.
WORDS = {
    "train": """Compass Lantern Anchor Pebble Saddle Feather Kettle Orchard Ladder Marble Falcon
        Harbor Ribbon Thimble Acorn Drum Canvas Willow Spark Bridge Copper Puzzle Mirror Cloud""",
    "validation": """Beacon Ledger Slate Badger Cactus Violin Basket Meadow Comet Whistle Granite
        Otter Trellis Button""",
    "test": """Kestrel Hammock Pepper Quarry Lobster Sundial Bucket Heron Walnut Tunnel Cricket
        Magnet Velvet Tinder""",
    "unlabelled": """Raven Candle Barrel Tulip Needle Gecko Cobalt Pillow Turnip Zephyr Glacier
        Mallet Spindle Bison Cedar Parcel Teapot Wagon Jigsaw Flint""",
}
# Real places, so that not every name is invented.
PLACES = {
    "train": """Lisbon,Osaka,Nairobi,Chile,Oslo,New Zealand,Toronto,Krakow,Cairo,Manila,Peru,Leeds,
        Bavaria,Sicily,Quito,South Korea""",
    "validation": "Helsinki,Lagos,Portugal,Antwerp,Cape Town,Vermont,Hanoi,Zürich,Bolivia,Crete",
    "test": "Bilbao,Jakarta,Norway,Tallinn,Costa Rica,Ghent,Accra,Malmö,Tasmania,Iceland",
    "unlabelled": """Dublin,Seville,Kenya,Montreal,Sri Lanka,Bremen,Utrecht,Tunis,Denver,Estonia,
        Buenos Aires,Wales,Hobart,Genoa""",
}

# Forms of names. A capital letter that stands alone is a part: F a first name, I an initial, C an
# English-sounding core, K a coined one, W an ordinary word, G a real place, A an acronym, N a
# number. Repeating a form makes it likelier. Forms of "all" may appear in every split; those of a
# split only there, so that validation and test also have shapes of names that training lacks.
FORMS = {
    "pf": {"all": ["F C", "F C", "F K", "I C", "F I K"], "train": ["F C - K"], "test": ["F van K"]},
    "p1": {"all": ["F"]},
    "pl": {"all": ["C", "C", "K"]},
    "lt": {"all": ["C", "K", "G", "G"]},
    "l": {
        "all": ["C", "K", "G", "G", "Port C", "C Road", "Lake K", "North C", "C Street"],
        "train": ["K Valley", "Mount K", "West C"],
        "validation": ["C Bridge", "K Islands", "Upper C"],
        "test": ["C Lane", "Cape K", "Little C"],
        "unlabelled": ["C Square", "K Falls", "East C", "C Park"],
    },
    "os": {"all": ["C", "K", "W", "A", "A", "A", "K Group", "C Ltd", "W Systems", "Bank of K"]},
    "o": {
        "all": [
            *["C", "K", "W", "A", "C Ltd", "University of C", "C & K", "K Group", "W Systems"],
            *["Bank of K", "C Town Council", "K Foods"],
        ],
        "train": ["C & Sons", "F C Trust"],
        "validation": ["C Airways", "Royal C Society"],
        "test": ["K Holdings", "C Wanderers"],
        "unlabelled": ["C Brothers", "W Energy", "C County Hospital", "K Motors"],
    },
    "rs": {"all": ["C", "K", "W", "W N", "K Pro", "K N"]},
    "r": {
        "all": ["W", "K", "C", "K N", "W N", "W Pro", "C N", "K Max"],
        "train": ["W Mini", "F"],
        "validation": ["W N Pro"],
        "test": ["K N Pro"],
        "unlabelled": ["W Lite", "K Studio"],
    },
}
FORMS["p"] = {"all": [*FORMS["pf"]["all"], "F", "F", "F", "C", "K"]}

# --- Fillers -----------------------------------------------------------------------------------
# Unlabelled words; several look like names (capitalised) without being any.
FILLERS = {
    "day": "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday",
    "month": "January,February,March,July,September,October,November,December",
    "nat": "German,Kenyan,Dutch,Brazilian,Japanese,Polish,Canadian,Welsh,Turkish,Finnish",
    "job": "manager,engineer,nurse,driver,teacher,lawyer,director,clerk,editor,coach,plumber",
    "dept": "Finance,Legal,Customer Care,Head Office,Procurement,Payroll,Quality,Night Shift",
    "title": "Mr.,Mrs.,Ms.,Dr.,Professor,Captain,Judge,Sister",
    "num": "two,three,four,six,nine,12,18,25,40,300",
    "time": "9:30,noon,8 pm,14:00,midnight,half past six",
    "fest": "Easter,Christmas,Diwali,Ramadan,New Year,Black Friday",
}

# --- Patterns ----------------------------------------------------------------------------------
# One a line: the kind of text, a colon, the pattern.
PATTERNS = {
    "train": """
news: Police in {l} are looking for a <nat> <job> last seen near {l} on <day> .
news: {o} said on <day> that it would close its plant in {lt} by <month> .
news: Shares of {os} fell <num> percent after {pf} resigned as chief executive .
news: {pf} , <num> , who grew up in {lt} , was elected mayor of {lt} .
news: The <nat> government has asked {o} to explain the delay .
news: {o} and {o} agreed to merge , ending months of rumours .
news: Heavy snow cut off {l} , {l} and {l} over the weekend .
news: {pl} beat {pl} in straight sets to reach the final in {lt} .
news: {os} beat {os} 2 - 1 with a late goal from {pl} .
news: A spokesman|spokeswoman for {o} declined to comment .
news: Judge {pl} ruled that {os} had copied the design of the {rs} .
news: {o} unveiled the {r} at a trade fair in {lt} .
news: The river that runs through {lt} burst its banks on <day> night .
news: Recall : {o} asks owners of the {r} to return it before <fest> .
news: Novelist {pf} died at her home outside {lt} , her <job> said .
news: Voters in {l} go to the polls on <day> , and Parliament meets in <month> .
news: A strike by <nat> drivers left <num> trains idle , and the Ministry blamed the Union .
news: {pf} joins {os} from {os} , where she led the <thing> division .
news: Farmers around {lt} say the <month> drought was the worst in years .
news: Trains between {lt} and {lt} resume on <day> , the operator {os} said .
news: Thousands marched through the streets of {lt} to honour {pf} .
news: {os} 's profit doubled , thanks to strong sales of {rs} in <month> .
news: The court in {lt} fined {o} for dumping waste near {l} .
chat: anyone know if {p1} is back from {lt} yet ?
chat: just moved everything from {rs} to {rs} and wow it is so much faster
chat: lol {p1} dropped her <thing> in the lake again
chat: flying to {l} tmrw , any tips for food there ?
chat: my boss {pl} wants the slides by <time> :(
chat: {p1} and {p1} are late as usual
chat: is {rs} down for anyone else ? can't log in since <time>
chat: got the job at {o} !!! starting <day>
chat: ask {p} , he|she knows the guy who runs it
chat: we drove past {lt} at <time> , traffic was awful
chat: who is bringing the <thing> on <day> ? last time nobody did
chat: i quit {os} , the pay was a joke
chat: thx {p1} , you saved my <day>
chat: the new {r} update broke my <thing> settings
chat: mum says {lt} is lovely in <month> but too crowded
chat: can {p1} pick up the <thing> from the <job> ?
chat: {os} turned me down after <num> interviews , so rude
chat: omg {rs} finally has dark mode
chat: meet you in {lt} outside the station at <time>
chat: told {pl} to call the <job> , he forgot of course
mail: Dear <title> {pl} , thank you for your letter of <month> .
mail: Hi {p1} , please find attached the offer from {o} .
mail: Best wishes , {pf} , Senior <job> , {o}
mail: I will be in {lt} until <day> , so {p1} will cover for me .
mail: Could you ask {p} whether {os} has paid the invoice ?
mail: Our office on {l} will be closed for <fest> .
mail: We would like to order <num> units of the {r} for our branch in {lt} .
mail: {p1} , did the samples from {os} arrive , or are they still stuck in {lt} ?
mail: As agreed with <title> {pl} , delivery moves to <day> .
mail: Please send all questions about {rs} to {p1} or to <dept> .
mail: The contract between {o} and {o} expires in <month> .
mail: I met your colleague {pf} at the conference in {lt} .
mail: <dept> needs the signed forms by <day> ; the old <thing> is no longer accepted .
mail: My new address is 14 {l} , {lt} .
mail: <title> {pl} 's flight from {lt} lands at <time> .
mail: We have switched our supplier from {os} to {os} .
ticket: {r} crashes when I open a file larger than <num> MB .
ticket: Cannot install {r} on my laptop , error <num> .
ticket: After the update {rs} no longer syncs with {rs} .
ticket: Customer {pf} from {lt} reports that the {r} overheats .
ticket: Escalated to {p1} on <day> , waiting for a reply from {os} .
ticket: User wants to cancel the {rs} subscription and get a refund .
ticket: Printer in the {lt} office is offline since <time> .
ticket: The <thing> icon is missing from the toolbar since <month> .
ticket: Assigned to : {pf} . Reported by : {o} . Affected : {r} .
ticket: Steps : start {rs} , click Export , choose Monthly Report , press Save .
ticket: Login to {rs} fails for all users at {o} .
ticket: The technician {pl} replaced the battery of the {r} .
ticket: Export from {rs} to Excel sheet drops the last <num> rows .
minutes: Present : {pf} , {pf} , {pl} and {p1} .
minutes: Apologies were received from <title> {pl} and the <job> .
minutes: {pl} reported that the lease in {lt} ends in <month> .
minutes: {pl} proposed , and {pl} seconded , the budget .
minutes: The board approved the sale of the {lt} site to {o} .
minutes: Action : {p1} to contact {o} about the late delivery .
minutes: The committee thanked {p} for organising the trip to {l} .
minutes: It was agreed to replace {rs} with {rs} from <month> onwards .
minutes: The Chair opened the meeting at <time> and welcomed the new <job> .
minutes: The pilot of {rs} in {lt} will run until <month> .
minutes: {os} was chosen as auditor for another <num> years .
minutes: Matters arising : the grant from {o} has not been paid .
minutes: The Treasurer noted that <dept> had spent less than planned before <fest> .
review: I bought the {r} for my daughter and she uses it every day .
review: The {rs} is quieter than my old {rs} and half the price .
review: Lovely hotel near {l} , but the <nat> breakfast was cold .
review: {os} never answered my emails , avoid this company .
review: We ate here on our way from {lt} to {lt} ; {p1} at the bar was charming .
review: Five stars for {p1} , who repaired my <thing> in <num> minutes .
review: The battery of the {r} lasts <num> hours , not more .
review: Don't waste money on {rs} , the app is full of ads .
review: {pf} 's second novel is set in {lt} during the war .
review: Great tour of {l} with our guide {p1} .
review: {os} delivered on time , and the <job> carried it upstairs .
news: {pl} missed a penalty as {os} lost at home to {os} .
news: Environment groups accuse {os} of hiding a leak near {l} .
news: {o} raised the price of the {r} by <num> percent on <day> .
news: {pf} , the <nat> actor , was seen in {lt} with {pf} .
news: Police arrested {pl} in {lt} after a tip from a <job> .
news: {os} warned that profits would fall this <month> .
news: Defender {pl} signed a new contract with {os} until next <month> .
news: Buses in {lt} were full again after {os} ended its strike .
news: {os} sold its stake in {os} to a <nat> fund .
news: Fire destroyed a warehouse owned by {os} on the edge of {lt} .
chat: {p1} is so funny , i can't
chat: why does {rs} want my phone number ??
chat: {os} pays better than {os} , just saying
chat: sitting on the beach in {lt} , jealous ?
chat: i asked {pl} for help but he ignored me
chat: is it true that {os} fired half the team ?
chat: {lt} or {lt} for the summer ? {p1} wants sun
chat: my <thing> smells like old cheese , send help
chat: playing {rs} all night with {p1} again
mail: {p1} told me that you live in {lt} now .
mail: Please return the faulty {r} to our shop in {lt} .
mail: I applied to {o} last <month> and have heard nothing since .
mail: <title> {pl} will call you on <day> at <time> .
mail: Both {pf} and <title> {pl} have left {os} .
mail: We no longer sell {rs} ; customers may choose {rs} instead .
mail: On behalf of {os} I invite you to our stand in {lt} .
ticket: {pf} can't print from {rs} since <day> .
ticket: {rs} shows a black screen when opened in the browser .
ticket: {os} asked for an invoice in <nat> .
ticket: Light on the {r} keeps blinking red , user tried another <thing> .
ticket: Server in {lt} restarted at <time> by {p1} .
ticket: Moved the licence of {rs} from {p1} to {pf} .
minutes: {pl} abstained from the vote on {rs} .
minutes: {p1} will write to {os} and {os} before <day> .
minutes: <title> {pl} will represent the club at the fair in {lt} .
minutes: The loan by {o} was renewed for <num> years .
minutes: {p} replaced {p} as secretary .
review: I have owned the {r} for <num> months and it never failed .
review: The walk from {lt} to {l} takes <num> hours .
review: {rs} is a toy , get a real <thing> .
review: {pf} acts well , but the plot is thin .
review: Ordered from {os} on <day> , arrived broken .
review: The staff at {os} were rude , except {p1} .
news: {os} , {os} and {os} will work together on safer batteries .
news: Minister {pl} promised that taxes would not rise .
news: {pl} wept|smiled|laughed as the <job> read out the verdict .
news: The strike at {os} entered its second week|month .
news: {os} has hired|sacked|sued its former <job> {pl} .
news: Actor {pf} and his wife {p1} have moved to {lt} .
news: A storm hit|battered {l} on <day> , leaving homes without power .
news: Thieves stole paintings worth <num> million from a villa in {lt} .
news: {pl} , once a <job> in {lt} , now runs {os} .
news: {os} shares jumped on <day> after it beat forecasts .
news: The <nat> champion lost in the second round , Sports Weekly reports .
news: The first {r} left the factory in {lt} this <month> .
chat: my {r} is so old the <job> laughed at it
chat: {lt} is so hot right now , i am melting
chat: {pl} gave us a test today , i hate him
chat: did you hear ? {os} bought {os}
chat: my <thing> got stolen at the gym :(
chat: i love my {r} , best thing i ever bought
chat: applied at {os} too but they want <num> years of experience
chat: {p1} got {p1} a <thing> for <fest>
chat: lost my keys near {l} , if anyone finds them ping me
chat: {rs} wants me to log in every single time , stupid app
chat: it always rains in {lt} , even in <month>
mail: {p1} and I met {pf} in {lt} last <day> .
mail: Many thanks , {pf} and family
mail: {os} has rejected|confirmed our offer ; {p1} will explain why .
mail: We welcome {pf} , our new <job> , and say goodbye to {pf} .
mail: Your {r} is ready ; please collect it before <day> .
mail: I used to work at {os} before I came to {os} .
mail: The train to {lt} leaves at <time> , so tell {p1} to hurry .
mail: Could {os} lend us a <thing> for the <fest> fair ?
mail: {pf} wrote to me about the flat in {l} .
ticket: The {r} turns itself off after <num> minutes .
ticket: {os} reports|says that its orders are shown twice .
ticket: Import into {rs} hangs at <num> percent .
ticket: Search no longer works in {rs} , it did on <day> .
ticket: {os} asks whether {rs} runs on tablets .
ticket: Reset the account of {pf} in {rs} as requested .
ticket: Delivery for {l} came back , the box was open .
ticket: Handle of the {r} is stuck , {p1} will send a new one .
minutes: {pl} disagreed|agreed with the Chair .
minutes: {p} was thanked for her work as <job> .
minutes: {p} joined|left the meeting late .
minutes: {os} had offered to sponsor the <fest> concert .
minutes: Point <num> was moved to <month> because the Secretary was away .
minutes: A course on {rs} will be held in <month> .
minutes: {pl} and {pl} will prepare the trip to {l} .
minutes: The debt to {o} has been cleared , <title> {pl} said .
review: My {r} broke|failed after a week .
review: {lt} is a quiet town , we stayed near {l} .
review: {pf} plays the piano like nobody else .
review: I changed from {os} to {os} and saved a lot .
review: Unlike {rs} , the {rs} fits in a pocket .
review: At the desk , {p1} gave us a map of {lt} .
review: The <thing> was dirty and the Grand Suite was anything but grand .
review: Took the bus to {l} , beautiful views|beaches|walks .
news: {pf} was introduced to {pl} by a <job> in {lt} .
news: Friends of {pl} say he never took money from {os} .
chat: let {p1} decide , i don't care
chat: buying a {r} tomorrow , {p1} says it is worth it
chat: {p1} skipped lunch because of the <thing> thing again
mail: Thank you all , especially {p1} , for your help with the move to {lt} .
mail: May I introduce {p} ? She replaces {p} from <day> .
minutes: {p} wants to stop the work on {l} .
review: Helpful people , thanks to {p1} and {p1} at {os} .
ticket: The password of {p} has expired , please renew it in {rs} .
review: Nice <thing> , solid build , a bit heavy for <nat> summers .
""",
    "validation": """
news: Firefighters battled a blaze in {l} that began on <day> morning .
news: {o} will hire <num> people , its chairman {pf} told reporters .
news: Singer {pf} cancelled concerts in {lt} and {lt} because of illness .
news: Regulators are investigating whether {os} misled buyers of {rs} .
news: {pl} , the former <job> of {o} , pleaded guilty .
news: An earthquake shook {l} early on <day> ; no one was hurt .
news: {os} is in talks to buy rival {os} for <num> million .
news: Scientists at {o} found a new beetle near {lt} .
news: {pl} scored twice as {os} drew with {os} .
news: The <nat> ambassador and Interior Minister {pl} signed the treaty .
news: Rail fares rise in <month> , and the Transport Committee is not amused .
news: With {r} , {o} hopes to win back younger drivers .
chat: has {p1} seen the pics from {lt} ? hilarious
chat: u still use {rs} ? i deleted mine ages ago
chat: stuck in {lt} , the last bus left at <time>
chat: {p1} broke up with the <job> , don't tell {p1}
chat: working at {os} is fine but the coffee is terrible
chat: where did you leave the <thing> ? need it for <day>
chat: {pl} is the worst teacher ever , so much homework
chat: trying {r} on my phone now , kinda slow tbh
chat: heading up to {l} with the kids , back on <day>
mail: Hello {p1} , {p1} from {os} asked me to forward this .
mail: Regards , {pf} ( on behalf of {o} )
mail: Our driver will collect the parcels in {lt} and bring them to {lt} .
mail: <title> {pl} regrets that she cannot attend the dinner on <day> .
mail: Would {os} be willing to sponsor our <fest> party ?
mail: Your licence for {r} runs out in <month> ; renew it now to keep your data .
mail: Please copy {p} in when you write to {os} .
ticket: {rs} freezes on the start screen , restarting did not help .
ticket: Spare parts for the {r} are out of stock in {lt} .
ticket: {os} complains that its invoices are printed twice .
ticket: Called <title> {pl} back at <time> , nobody picked up .
ticket: Keyboard shortcut stopped working in {rs} after <day> .
ticket: Shipment to {l} returned , the <thing> was damaged .
minutes: {p} was elected treasurer for <num> years .
minutes: <title> {pl} gave an update on the warehouse in {lt} .
minutes: The members voted against joining {o} .
minutes: Training on {rs} starts on <day> ; {p1} will book the room .
minutes: {pl} left the meeting at <time> .
minutes: Any Other Business : the <thing> in the Main Hall is broken .
review: My {r} stopped charging after <num> weeks .
review: The view over {l} from our room was stunning .
review: {p1} at reception told us the best way to {lt} .
review: I have been a customer of {os} since <month> and never had trouble .
review: Compared with {rs} , this one feels cheap .
review: The play , directed by {pf} , drags after the break .
""",
    "test": """
news: A ferry carrying <num> passengers ran aground off {l} late on <day> .
news: {pf} , founder of {o} , has been arrested in {lt} .
news: Workers at {o} walked out on <day> over pay .
news: The museum in {lt} has bought a painting by {pf} .
news: {o} cut the price of the {r} ahead of <fest> .
news: Coach {pl} dropped {pl} from the squad to face {os} .
news: Prosecutors accuse {pl} of taking bribes from {os} .
news: Wildfires have reached the outskirts of {lt} , a <nat> <job> warned .
news: {os} plans to list its shares in <month> , sources close to {pl} said .
news: Demand for {rs} helped {os} return to profit .
news: Residents of {l} and {l} were told to boil their water .
news: The Prime Minister spoke on <day> about the Autumn Budget and <nat> steel .
chat: did {p1} ever pay you back for the trip to {lt} ?
chat: {rs} keeps logging me out , so annoying
chat: left my <thing> and an umbrella on the bus again haha
chat: {p1} cancelled class , party at mine at <time>
chat: thinking of applying to {os} , anyone worked there ?
chat: went to {lt} in <month> , freezing , bring a coat
chat: selling my {r} , barely used , dm me
chat: {p1} passed her driving test !! cake on <day>
chat: we're lost somewhere between {lt} and {lt} lol
mail: Good morning <title> {pl} , your parcel is waiting for you in {lt} .
mail: Thanks for introducing me to {p} ; we speak again on <day> .
mail: I resigned from {os} in <month> and now work for {os} .
mail: Kind regards , {pf} and the whole <dept> team
mail: A colleague in {lt} tested {r} and found <num> mistakes .
mail: {o} has accepted our bid , congratulations to everyone , above all {p1} !
mail: Shall we travel to {l} by train or let {p1} drive ?
ticket: Screen of the {r} stays black although the light is green .
ticket: Please reset the {rs} password of {pf} .
ticket: {o} asks for a credit note for the order of <month> .
ticket: Bug : {rs} shows the wrong time zone for users in {lt} .
ticket: Engineer {p1} visited {os} and fixed the <thing> .
ticket: Data lost while moving from {rs} to {rs} , please advise .
minutes: Welcome to {p} , who replaces {p} as <job> .
minutes: {pl} objected to the new timetable .
minutes: The annual outing goes to {l} this <month> .
minutes: A loan from {o} was discussed ; <title> {pl} abstained .
minutes: Licences for {rs} will be bought by <dept> .
minutes: Item <num> was postponed until after <fest> because the Vice Chair was ill .
review: Best purchase of the year , my {r} even survived a fall .
review: The road to {l} is bumpy but worth it .
review: Support at {os} is hopeless , ask for {p1} if you must call .
review: {pf} sings beautifully , the orchestra less so .
review: We swapped {rs} for {rs} and never looked back .
review: Parking in {lt} costs a fortune , take the bus .
""",
    "unlabelled": """
news: Rescue teams pulled <num> hikers from a cave near {l} .
news: {o} lost a lawsuit against its former partner {o} .
news: {pf} will chair {o} from <month> .
news: Fishermen from {lt} blocked the harbour on <day> .
news: {os} won the cup after penalties , and {pl} lifted the trophy .
news: Poet {pf} returns to {lt} after <num> years abroad .
news: Prices in {l} rose faster than anywhere else in the <nat> north .
news: {os} stops making the {rs} , blaming weak demand .
news: Senator {pl} called the plan a disgrace .
news: A bomb from the war was found in {lt} and removed by <nat> experts .
news: {o} opens its first shop in {l} on <day> .
news: {pl} and {pl} share the prize for physics .
news: The factory where {os} builds the {r} caught fire .
news: Floods in {l} destroyed the only bridge to {lt} .
news: Hospital managers warned the Health Secretary of long waits after <fest> .
news: {os} hired {pf} to clean up its image .
news: In {lt} , schools stayed closed on <day> .
news: The trial of {pf} opens in {lt} next <month> .
news: {o} donated <num> beds to the clinic in {lt} .
news: {pl} broke the world record at the games in {lt} .
chat: {p1} pls bring snacks
chat: {rs} or {rs} ? need a new one by <day>
chat: so {p1} moved to {lt} without telling anyone ??
chat: i hate mondays , and my <thing> is gone
chat: {os} sent me the wrong size again
chat: look what {p1} found in {lt} yesterday
chat: {pl} from maths is on tv right now
chat: my {r} died during the call ugh
chat: road trip to {l} , who is in ?
chat: happy birthday {p1} from all of us at {os}
chat: do i need a visa for {l} ?
chat: just ask {rs} , it answers everything
chat: {p1} said {p1} said no
chat: landed in {lt} , luggage did not
chat: they fired {pl} , can you believe it
chat: no signal here , text you from {lt}
chat: the {r} is on sale until <time> , go go go
chat: everyone at {os} got a bonus except me
mail: Dear {p1} , I hope you had a good week in {lt} .
mail: Please welcome {pf} , who joins us from {o} on <day> .
mail: The keys are with <title> {pl} , room <num> .
mail: We are pleased to offer you {r} at half price until <fest> .
mail: {os} needs our answer by <time> , could {p1} phone them ?
mail: Yours sincerely , {pf} , {o} , {lt}
mail: Enclosed is the report by {pl} on the mill in {lt} .
mail: Your order of <num> {r} has left our store in {lt} .
mail: I spoke to {p} and to {p} , and both agree .
mail: For travel to {l} please use the form from <dept> .
mail: <title> {pl} and I look forward to seeing you in {l} .
mail: As of <month> , {o} trades under a new name .
mail: Has {os} confirmed the meeting on <day> with {pl} ?
mail: The manual of the {r} is missing <num> pages .
mail: Sorry for the late reply , I was ill and {p1} was away .
mail: Please pay the rent for the flat in {l} by <day> .
mail: My lawyer , {pf} , will answer {os} .
ticket: {rs} does not start since the last patch .
ticket: Password for {rs} expired , {p} cannot work .
ticket: The {r} makes a loud noise after <num> minutes .
ticket: Network outage in {lt} and {lt} since <time> .
ticket: {os} wants a discount because {rs} was offline .
ticket: Closed by {p1} : the cable was not plugged in .
ticket: Error <num> when printing from {rs} .
ticket: Replacement {r} sent to {pf} in {lt} .
ticket: Feature request : let {rs} read files made by {rs} .
ticket: The <job> at {o} cannot find the Reset switch .
ticket: Request from <title> {pl} : delete all data .
ticket: {r} shows a blank page in the <nat> version .
ticket: Device lost in {l} , please block it .
ticket: Duplicate of the case opened by {os} in <month> .
minutes: {p} took the minutes .
minutes: {pl} asked why the work in {lt} had stopped .
minutes: A letter from {o} was read out .
minutes: The vote was <num> to <num> , with {pl} not voting .
minutes: {p1} will visit {os} in {lt} and report back .
minutes: The contract for {rs} will not be renewed .
minutes: Next meeting : <day> at <time> , {l} .
minutes: <title> {pl} presented the figures for <month> .
minutes: Members complained about the state of {l} .
minutes: The gift of {o} was accepted with thanks .
minutes: Guests : {pf} ( {o} ) and {pf} ( {o} ) .
minutes: A new <thing> for the Reading Room was refused .
minutes: It was decided to test {rs} and {rs} side by side .
minutes: {p1} apologised to {p1} .
review: Not worth the trip from {lt} , sadly .
review: {p1} cut my hair , and I love it .
review: My second {r} , the first one was stolen in {lt} .
review: The staff of {os} could not care less .
review: {rs} tastes better than {rs} , even cold .
review: The film stars {pf} and {pf} , both wasted .
review: Beach near {l} , clean and quiet in <month> .
review: I returned the {r} to {os} and got my money back .
review: Charming <nat> place run by {p1} and her mother .
review: A dull book about {l} by {pf} .
review: Setting up {rs} took <num> minutes and one <thing> .
""",
}


# --- Drawing -----------------------------------------------------------------------------------
class Draw:
    """Random choices that stay the same in every Python: only `random()` is promised to repeat
    across versions, `choice`, `shuffle` and `sample` are not."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """Fisher-Yates."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed


# --- Names -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Inventory:
    """The name parts of one split, by the letter that stands for them in FORMS."""

    split: str
    parts: dict[str, list[str]]

    def name(self, slot: str, draw: Draw) -> list[str]:
        """The words of a new name for a slot such as "pf"."""
        forms = FORMS[slot]
        form = draw.pick(forms["all"] + forms.get(self.split, []))
        words = [self.part(item, draw) if len(item) == 1 else item for item in form.split()]
        return " ".join(words).split()

    def part(self, letter: str, draw: Draw) -> str:
        return draw.pick(self.parts[letter]) if letter in self.parts else letter


def inventory(split: str, draw: Draw) -> Inventory:
    """The parts of a split's names, drawn from the lists above."""
    first, words, heads = (table[split].split() for table in (FIRST, WORDS, HEADS))
    cores = [head + tail for head in heads for tail in TAILS.split()]
    coined = coin(SYLLABLES[split].split(), draw)
    parts = {
        "F": first,
        "I": sorted({name[0] + "." for name in first}),
        "C": draw.shuffled(cores)[: 4 * len(heads)],
        "K": coined,
        "W": words,
        "G": [" ".join(place.split()) for place in PLACES[split].split(",")],
        "A": acronyms(split, draw),
        "N": [str(10 * (5 + draw.below(90))) for _ in range(12)],
    }
    return Inventory(split, parts)


def coin(syllables: Sequence[str], draw: Draw) -> list[str]:
    """Invented words of two or three syllables."""
    pairs = [a + b for a in syllables for b in syllables if a != b]
    return [
        (pair + (draw.pick(syllables) if draw.chance(0.4) else "")).capitalize()
        for pair in draw.shuffled(pairs)[: 4 * len(syllables)]
    ]


def acronyms(split: str, draw: Draw) -> list[str]:
    """Three consonants; the first tells the split, so that no two share one."""
    first = {"train": "BDGKM", "validation": "FJR", "test": "HPV", "unlabelled": "CLNTW"}[split]
    rest = "BCDFGKLMNPRSTV"
    return [draw.pick(first) + draw.pick(rest) + draw.pick(rest) for _ in range(20)]


# --- Sentences ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Sentence:
    tokens: list[str]
    tags: list[str]

    def __add__(self, other: Sentence) -> Sentence:
        return Sentence(self.tokens + other.tokens, self.tags + other.tags)

    def key(self) -> str:
        return squeeze(self.tokens)

    def names(self) -> list[list[str]]:
        """The words of each name in it."""
        found: list[list[str]] = []
        for token, tag in zip(self.tokens, self.tags, strict=True):
            if tag.startswith("B-"):
                found.append([token])
            elif tag.startswith("I-"):
                found[-1].append(token)
        return found


def squeeze(words: Iterable[str]) -> str:
    """Letters and digits alone, in lower case: what two spellings of a sentence have in common."""
    return "".join(c for c in "".join(words).lower() if c.isalnum())


def patterns_of(split: str) -> list[tuple[str, str]]:
    """(kind of text, pattern) of each line."""
    lines = [line for line in PATTERNS[split].splitlines() if line]
    return [(kind, text.strip()) for kind, text in (line.split(":", 1) for line in lines)]


def fill(pattern: str, names: Inventory, draw: Draw) -> Sentence:
    tokens: list[str] = []
    tags: list[str] = []
    for item in pattern.split():
        slot = item[1:-1] if item[0] == "{" else ""
        if slot:
            words, kind = names.name(slot, draw), TYPES[slot[0]]
            tags += ["B-" + kind] + ["I-" + kind] * (len(words) - 1)
        else:
            words = plain(item, names, draw)
            tags += ["O"] * len(words)
        tokens += words
    return Sentence(tokens, tags)


def plain(item: str, names: Inventory, draw: Draw) -> list[str]:
    """The words of an item that is no name: a filler, one of several words, or itself."""
    if item == "<thing>":
        return [draw.pick(names.parts["W"]).lower()]
    if item[0] == "<":
        return draw.pick(FILLERS[item[1:-1]].split(",")).split()
    return [draw.pick(item.split("|"))] if len(item) > 1 else [item]


def dress(sentence: Sentence, kind: str, draw: Draw) -> Sentence:
    """Letter case as people use it: chats mostly in lower case, some headlines and tickets in
    capitals. Tags do not change."""
    lower = {"chat": 0.7, "review": 0.15, "ticket": 0.1}.get(kind, 0.0)
    upper = {"chat": 0.05, "news": 0.1, "ticket": 0.1}.get(kind, 0.0)
    if draw.chance(lower):
        return Sentence([token.lower() for token in sentence.tokens], sentence.tags)
    if draw.chance(upper):
        return Sentence([token.upper() for token in sentence.tokens], sentence.tags)
    return sentence


def sentences_of(
    count: int, patterns: Sequence[tuple[str, str]], inventories: Sequence[Inventory], draw: Draw
) -> list[Sentence]:
    """`count` different sentences that use the patterns about equally often, in mixed order."""
    made: dict[str, Sentence] = {}
    while len(made) < count:
        for kind, pattern in draw.shuffled(patterns):
            names = draw.pick(inventories)
            sentence = fill(pattern, names, draw)
            if draw.chance(PAIRS):
                others = [p for k, p in patterns if k == kind and p != pattern]
                sentence += fill(draw.pick(others), names, draw)
            sentence = dress(sentence, kind, draw)
            if len(made) < count and len(sentence.tokens) in LENGTHS:
                made.setdefault(sentence.key(), sentence)
    return draw.shuffled(made.values())


def make() -> dict[str, list[Sentence]]:
    """Every split. The unlabelled pool also uses training's patterns, and some of its names."""
    inventories = {s: inventory(s, Draw(SEED + i)) for i, s in enumerate(COUNTS)}
    corpus = {}
    for i, (split, count) in enumerate(COUNTS.items()):
        patterns, used = patterns_of(split), [inventories[split]]
        if split == "unlabelled":
            patterns = patterns + patterns_of("train")
            used = used * 3 + [inventories["train"]]
        corpus[split] = sentences_of(count, patterns, used, Draw(SEED + 100 + i))
    check_parts(inventories)
    return corpus


# --- Checks ------------------------------------------------------------------------------------
def check_parts(inventories: dict[str, Inventory]) -> None:
    """No part of a name belongs to two splits (initials and numbers aside)."""
    owner: dict[str, str] = {}
    for split, names in inventories.items():
        for letter in "FCKWGA":
            for part in names.parts[letter]:
                held = owner.setdefault(part.lower(), split)
                assert held == split, f"{part}: in {held} and {split}"


def check_patterns() -> None:
    """No pattern twice, and none in two splits, even with other slots in it."""
    seen: set[str] = set()
    for split in COUNTS:
        for _, pattern in patterns_of(split):
            bare = squeeze(re.sub(r"[{<]\w+[}>]", "", pattern).split())
            assert bare not in seen, f"pattern twice: {pattern}"
            seen.add(bare)


def check(corpus: dict[str, list[Sentence]]) -> None:
    """Nothing of validation or test is to be had from training, the pool or each other."""
    check_patterns()
    for held in ("validation", "test"):
        names = {" ".join(name).lower() for s in corpus[held] for name in s.names()}
        keys = {s.key() for s in corpus[held]}
        for other in (split for split in corpus if split != held):
            text = "\n".join(f" {' '.join(s.tokens)} ".lower() for s in corpus[other])
            shown = [name for name in sorted(names) if f" {name} " in text]
            assert not shown, f"names of {held} in {other}: {shown}"
            assert not keys & {s.key() for s in corpus[other]}, f"sentences of {held} in {other}"


# --- Output ------------------------------------------------------------------------------------
def write(path: Path, split: str, sentences: Sequence[Sentence]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for i, sentence in enumerate(sentences):
            row: dict[str, object] = {"id": f"{split}-{i}", "tokens": sentence.tokens}
            if split != "unlabelled":
                row["ner_tags"] = sentence.tags
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    corpus = make()
    check(corpus)
    for split, sentences in corpus.items():
        write(Path(__file__).parent / f"{split}.jsonl", split, sentences)
        names = sum(len(s.names()) for s in sentences)
        words = sum(len(s.tokens) for s in sentences)
        print(f"{split}: {len(sentences)} sentences, {words} tokens, {names} names")


if __name__ == "__main__":
    main()
