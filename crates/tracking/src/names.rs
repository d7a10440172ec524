//! Names for runs that were given none, such as `nimble-heron-412`.

use uuid::Uuid;

const ADJECTIVES: [&str; 48] = [
    "able", "amber", "bold", "brave", "bright", "calm", "clever", "cool", "crisp", "daring", "eager", "early", "fair",
    "fine", "fleet", "fond", "frank", "gentle", "glad", "golden", "grand", "happy", "honest", "humble", "jolly",
    "keen", "kind", "lively", "lucky", "merry", "mild", "nimble", "noble", "patient", "proud", "quick", "quiet",
    "rapid", "ready", "serene", "sharp", "silent", "steady", "sunny", "swift", "tidy", "warm", "wise",
];

const NOUNS: [&str; 48] = [
    "badger", "bear", "bee", "bison", "colt", "crab", "crane", "crow", "deer", "dolphin", "dove", "duck", "eagle",
    "elk", "falcon", "finch", "fox", "frog", "goat", "goose", "hare", "hawk", "heron", "horse", "jay", "kestrel",
    "koala", "lark", "lynx", "mole", "moose", "newt", "otter", "owl", "panda", "pike", "puma", "quail", "rabbit",
    "raven", "seal", "shrew", "snail", "stork", "swan", "trout", "whale", "wren",
];

/// A name at random: an adjective, an animal and a number.
pub(crate) fn random() -> String {
    // The lowest 32 bits of such an id are all random.
    let bits = Uuid::new_v4().as_u128() as u32 as usize;
    let (adjective, noun) = (ADJECTIVES[bits % 48], NOUNS[bits / 48 % 48]);
    format!("{adjective}-{noun}-{}", bits / (48 * 48) % 1000)
}
