//! Language of the machine, and its numbers in Windows (MS-LCID; ITU-T E.164 for countries).

use crate::Machine;

/// A language and country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale {
    /// Value of `LANG` without its encoding: `de_DE`.
    name: String,
}

impl Locale {
    /// Returns the language of the machine; `None` if it is not set, or set to `C`.
    pub fn of(machine: &Machine) -> Option<Self> {
        ["etc/locale.conf", "etc/default/locale"].into_iter().find_map(|file| Self::set_in(machine, file))
    }

    fn set_in(machine: &Machine, file: &str) -> Option<Self> {
        let text = machine.text(file).ok()?;
        let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("LANG="))?;
        Self::parse(value.trim_matches(['"', '\'']))
    }

    fn parse(lang: &str) -> Option<Self> {
        let name = lang.split(['.', '@']).next()?;
        (name.len() >= 2 && name != "POSIX").then(|| Self { name: name.to_owned() })
    }

    /// Returns the language tag of BCP 47: `de-DE`.
    pub fn tag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the language identifier of Windows; `None` for unknown languages.
    pub fn identifier(&self) -> Option<u16> {
        Some(self.known()?.1)
    }

    /// Returns the international calling code of the country.
    pub fn calling_code(&self) -> Option<u16> {
        Some(self.known()?.2)
    }

    fn known(&self) -> Option<&'static (&'static str, u16, u16)> {
        KNOWN.iter().find(|(name, ..)| *name == self.name)
    }
}

/// Known locales, with their language identifier in Windows and the calling code of the country.
const KNOWN: &[(&str, u16, u16)] = &[
    ("ar_EG", 0x0c01, 20),
    ("ar_SA", 0x0401, 966),
    ("bg_BG", 0x0402, 359),
    ("ca_ES", 0x0403, 34),
    ("cs_CZ", 0x0405, 420),
    ("da_DK", 0x0406, 45),
    ("de_AT", 0x0c07, 43),
    ("de_CH", 0x0807, 41),
    ("de_DE", 0x0407, 49),
    ("de_LU", 0x1007, 352),
    ("el_GR", 0x0408, 30),
    ("en_AU", 0x0c09, 61),
    ("en_CA", 0x1009, 1),
    ("en_GB", 0x0809, 44),
    ("en_IE", 0x1809, 353),
    ("en_IN", 0x4009, 91),
    ("en_NZ", 0x1409, 64),
    ("en_US", 0x0409, 1),
    ("en_ZA", 0x1c09, 27),
    ("es_AR", 0x2c0a, 54),
    ("es_CL", 0x340a, 56),
    ("es_CO", 0x240a, 57),
    ("es_ES", 0x0c0a, 34),
    ("es_MX", 0x080a, 52),
    ("et_EE", 0x0425, 372),
    ("eu_ES", 0x042d, 34),
    ("fa_IR", 0x0429, 98),
    ("fi_FI", 0x040b, 358),
    ("fr_BE", 0x080c, 32),
    ("fr_CA", 0x0c0c, 1),
    ("fr_CH", 0x100c, 41),
    ("fr_FR", 0x040c, 33),
    ("gl_ES", 0x0456, 34),
    ("he_IL", 0x040d, 972),
    ("hi_IN", 0x0439, 91),
    ("hr_HR", 0x041a, 385),
    ("hu_HU", 0x040e, 36),
    ("id_ID", 0x0421, 62),
    ("is_IS", 0x040f, 354),
    ("it_CH", 0x0810, 41),
    ("it_IT", 0x0410, 39),
    ("ja_JP", 0x0411, 81),
    ("ko_KR", 0x0412, 82),
    ("lt_LT", 0x0427, 370),
    ("lv_LV", 0x0426, 371),
    ("ms_MY", 0x043e, 60),
    ("nb_NO", 0x0414, 47),
    ("nl_BE", 0x0813, 32),
    ("nl_NL", 0x0413, 31),
    ("nn_NO", 0x0814, 47),
    ("pl_PL", 0x0415, 48),
    ("pt_BR", 0x0416, 55),
    ("pt_PT", 0x0816, 351),
    ("ro_RO", 0x0418, 40),
    ("ru_RU", 0x0419, 7),
    ("sk_SK", 0x041b, 421),
    ("sl_SI", 0x0424, 386),
    ("sv_FI", 0x081d, 358),
    ("sv_SE", 0x041d, 46),
    ("th_TH", 0x041e, 66),
    ("tr_TR", 0x041f, 90),
    ("uk_UA", 0x0422, 380),
    ("vi_VN", 0x042a, 84),
    ("zh_CN", 0x0804, 86),
    ("zh_HK", 0x0c04, 852),
    ("zh_SG", 0x1004, 65),
    ("zh_TW", 0x0404, 886),
];
