//! Identifiers of messages in the catalogue of systemd, as numbers of events.

/// Messages whose event ID is 1000 plus their position in this list. Entries are only appended.
const MESSAGES: [&str; COUNT] = [
    "f77379a8490b408bbe5f6940505a777b",
    "d93fb3c9c24d451a97cea615ce59c00b",
    "ec387f577b844b8fa948f33cad9a75e6",
    "a596d6fe7bfa4994828e72309e95d61e",
    "e9bf28e6e834481bb6f48f548ad13606",
    "fc2e22bc6ee647b6b90729ab34a250b1",
    "5aadd8e954dc4b1a8c954d63fd9e1137",
    "8d45620c1a4348dbb17410da57c60c66",
    "3354939424b4456d9802ca8333ed424a",
    "fcbefc5da23d428093f97c82a9290f7b",
    "e7852bfe46784ed0accde04bc864c2d5",
    "c7a787079b354eaaa9e77b371893cd27",
    "45f82f4aef7a4bbf942ce861d1f20990",
    "b07a249cd024414a82dd00cd181378ff",
    "eed00a68ffd84e31882105fd973abdd1",
    "6bbd95ee977941e497c48be27c254128",
    "8811e6df2a8e40f58a94cea26f8ebf14",
    "98268866d1d54a499c4e98921d93bc40",
    "c14aaf76ec284a5fa1f105f88dfb061c",
    "7d4958e842da4a758f6c1cdc7b36dcc5",
    "39f53479d3a045ac8e11786248231fbf",
    "be02cf6855d2428ba40df7e9d022f03d",
    "de5b426a63be47a7b6ac3eaac82e2f6f",
    "9d1aaa27d60140bd96365438aad20286",
    "d34d037fff1847e6ae669a370e694725",
    "7b05ebc668384222baa8881179cfda54",
    "641257651c1b4ec9a8624d7a40a9e1e7",
    "0027229ca0644181a76c4e92458afa2e",
    "1dee0369c7fc4736b7099b38ecb46ee7",
    "24d8d4452573402496068381a6312df2",
    "58432bd3bace477cb514b56381b8a758",
    "36db2dfa5a9045e1bd4af5f93e1cf057",
    "1675d7f172174098b1108bf8c7dc8f5d",
    "4d4408cfd0d144859184d1e65d7c8a65",
    "5eb03494b6584870a536b337290809b3",
    "ae8f7b866b0347b9af31fe1c80b127c0",
    "7ad2d189f7e94e70a38c781354912448",
    "0e4284a0caca4bfc81c0bb6786972673",
    "d9b373ed55a64feb8242e02dbe79a49c",
    "98e322203f7a4ed290d09fe03c09fe15",
    "50876a9db00f4c40bde1a2ad381c3a1b",
    "fe6faa94e7774663a0da52717891d8ef",
    "b61fdac612e94b9182285b998843061f",
    "1b3bb94037f04bbf81028e135a12d293",
    "b480325f9c394a7b802c231e51a2752c",
    "1c0454c1bd2241e0ac6fefb4bc631433",
    "7c8a41f37b764941a0e1780b1be2f037",
    "3f7d5ef3e54f4302b4f0b143bb270cab",
];

const COUNT: usize = 48;

/// Event ID of messages without an entry in the catalogue.
const OTHER: u32 = 1;

/// Returns the event ID of a `MESSAGE_ID`.
pub(crate) fn event_id(message: Option<&str>) -> u32 {
    let known = message.and_then(|id| MESSAGES.iter().position(|known| known.eq_ignore_ascii_case(id)));
    known.and_then(|position| u32::try_from(position).ok()).map_or(OTHER, |position| 1_000 + position)
}
