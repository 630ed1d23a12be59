use telarch_oracles::cim;

use crate::corpus;

#[test]
fn queries_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_query", b"()'\"\\=<>.,[]*%; 19aA_\xC3", cim::query);
}

#[test]
fn patterns_of_the_corpus_match_like_a_naive_search() {
    mutate("cim_like", b"%_[]^-aZ\0\xC3", cim::like);
}

#[test]
fn mof_texts_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_mof", b"{}[]():;,=$#\"'\\/ 09aA.\xC3", cim::mof);
}

#[test]
fn instances_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_instance", b"<>&\"'/ :=-9p\0\x80", cim::instance);
}

#[test]
fn classes_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_class_xml", b"<>\"'/ =,A1\x80", cim::class_xml);
}

#[test]
fn paths_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_object_path", b"\\/:.=\"', @0a*\xC3", cim::object_path);
}

#[test]
fn times_of_the_corpus_satisfy_the_oracle() {
    mutate("cim_datetime", b"0159*+-:.TZP/ \xC3", cim::datetime);
}

fn mutate(target: &str, octets: &[u8], check: impl Fn(&[u8])) {
    corpus::mutate(&corpus::cases(target, 15), 25, octets, check);
}
