//! Porter's stemmer (Porter 1980) with the departures that NLTK makes (`PorterStemmer`, its default mode), which `rouge_score` uses: a
//! short list of irregular words, `dies` and `died` to `die`, y to i only behind a consonant, `alli` first and again, `bli`, `fulli`,
//! `logi`, a two-letter stem like `ed` counts as short.
//!
//! m is the number of times that a consonant follows a vowel in what is left of a word; `y` is a vowel behind a consonant.

const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// (ending, what stands in its place), in the order in which they are tried; all need m > 0.
const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: [(&str, &str); 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

/// All need m > 1.
const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// The stem of a word in lower case; words of one or two letters, and words with anything but ASCII, stay as they are.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 || !word.is_ascii() {
        return word.to_owned();
    }
    let word = adverb(&final_y(&past(&plural(word))));
    final_l(&final_e(&last_ending(&adjective(&word))))
}

/// Whether each letter is a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        let flag = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => flags.last().is_none_or(|before| !before),
            _ => true,
        };
        flags.push(flag);
    }
    flags
}

fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(stem: &str) -> bool {
    consonants(stem).contains(&false)
}

fn ends_double_consonant(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 2 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2] && consonants(word).last() == Some(&true)
}

/// Consonant, vowel, consonant, the last not w, x or y.
fn is_short(word: &str) -> bool {
    match consonants(word).as_slice() {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// Step 1a.
fn plural(word: &str) -> String {
    match word {
        _ if word.ends_with("ies") && word.len() == 4 => word[..3].to_owned(),
        _ if word.ends_with("sses") || word.ends_with("ies") => word[..word.len() - 2].to_owned(),
        _ if word.ends_with("ss") => word.to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

/// Step 1b.
fn past(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return format!("{stem}{}", if word.len() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if measure(stem) > 0 { format!("{stem}ee") } else { word.to_owned() };
    }
    let stem = ["ed", "ing"].iter().find_map(|ending| word.strip_suffix(ending).filter(|stem| has_vowel(stem)));
    stem.map_or_else(|| word.to_owned(), mended)
}

/// What a verb loses besides its ending comes back.
fn mended(stem: &str) -> String {
    if ["at", "bl", "iz"].iter().any(|ending| stem.ends_with(ending)) {
        return format!("{stem}e");
    }
    if ends_double_consonant(stem) {
        let kept = stem.ends_with(['l', 's', 'z']);
        return stem[..stem.len() - usize::from(!kept)].to_owned();
    }
    if measure(stem) == 1 && is_short(stem) { format!("{stem}e") } else { stem.to_owned() }
}

/// Step 1c.
fn final_y(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if stem.len() > 1 && consonants(stem).last() == Some(&true) => format!("{stem}i"),
        Some(_) | None => word.to_owned(),
    }
}

/// Step 2.
fn adverb(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| measure(stem) > 0) {
        return adverb(&format!("{stem}al"));
    }
    let is_logi = word.ends_with("logi") && !STEP_2.iter().any(|(ending, _)| word.ends_with(ending));
    if is_logi && measure(&word[..word.len() - 3]) > 0 {
        return word[..word.len() - 1].to_owned();
    }
    replaced(word, &STEP_2)
}

/// Step 3.
fn adjective(word: &str) -> String {
    replaced(word, &STEP_3)
}

/// The first ending that fits decides.
fn replaced(word: &str, rules: &[(&str, &str)]) -> String {
    let rule = rules.iter().find_map(|(ending, instead)| Some((word.strip_suffix(ending)?, instead)));
    match rule {
        Some((stem, instead)) if measure(stem) > 0 => format!("{stem}{instead}"),
        Some(_) | None => word.to_owned(),
    }
}

/// Step 4.
fn last_ending(word: &str) -> String {
    let found = STEP_4.iter().find_map(|ending| Some((word.strip_suffix(ending)?, *ending)));
    let stem = found.filter(|(stem, ending)| measure(stem) > 1 && (*ending != "ion" || stem.ends_with(['s', 't'])));
    stem.map_or(word, |(stem, _)| stem).to_owned()
}

/// Step 5a.
fn final_e(word: &str) -> String {
    let stem = word.strip_suffix('e').filter(|stem| measure(stem) > 1 || (measure(stem) == 1 && !is_short(stem)));
    stem.unwrap_or(word).to_owned()
}

/// Step 5b.
fn final_l(word: &str) -> String {
    let double = word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1;
    word[..word.len() - usize::from(double)].to_owned()
}
