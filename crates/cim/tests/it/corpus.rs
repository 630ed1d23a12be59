//! The oracles over the stored corpus of the fuzz targets, with truncations and mutations.

use telarch_cim::oracle;

#[test]
fn queries_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_query", b"()'\"\\=<>.,[]*%; 19aA_\xC3", oracle::query);
}

#[test]
fn patterns_of_the_corpus_match_like_a_naive_search() {
    mutate("cim_like", b"%_[]^-aZ\0\xC3", oracle::like);
}

#[test]
fn mof_texts_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_mof", b"{}[]():;,=$#\"'\\/ 09aA.\xC3", oracle::mof);
}

#[test]
fn instances_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_instance", b"<>&\"'/ :=-9p\0\x80", oracle::instance);
}

#[test]
fn classes_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_class_xml", b"<>\"'/ =,A1\x80", oracle::class_xml);
}

#[test]
fn paths_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_object_path", b"\\/:.=\"', @0a*\xC3", oracle::object_path);
}

#[test]
fn times_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_datetime", b"0159*+-:.TZP/ \xC3", oracle::datetime);
}

fn mutate(target: &str, octets: &[u8], oracle: impl Fn(&[u8])) {
    telarch_corpus::mutate(&telarch_corpus::cases(target, 15), 25, octets, oracle);
}
