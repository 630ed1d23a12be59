//! Names of manufacturers by IANA enterprise number.

/// Returns the name of the manufacturer with this IANA enterprise number, as sent in Get Device ID; `None` if it
/// is not one of the makers of controllers, firmware and servers in the table.
#[must_use]
pub fn manufacturer(number: u32) -> Option<&'static str> {
    let place = MANUFACTURERS.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    MANUFACTURERS.get(place).map(|(_, name)| *name)
}

/// Numbers in ascending order, with the names in the registry
/// <https://www.iana.org/assignments/enterprise-numbers> of 2024-05-16, without former names and addresses.
const MANUFACTURERS: [(u32, &str); 48] = [
    (2, "IBM"),
    (9, "ciscoSystems"),
    (11, "Hewlett-Packard"),
    (42, "Sun Microsystems"),
    (116, "Hitachi, Ltd."),
    (119, "NEC Corporation"),
    (186, "Toshiba Corporation"),
    (193, "Ericsson AB"),
    (311, "Microsoft"),
    (343, "Intel Corporation"),
    (674, "Dell Inc."),
    (2_011, "HUAWEI Technology Co.,Ltd"),
    (2_606, "Rittal-Werk Rudolf Loh GmbH & Co.KG"),
    (2_623, "ASUSTek Computer Inc."),
    (4_128, "ARM Ltd."),
    (4_769, "IBM Corporation"),
    (5_703, "NVIDIA Corporation"),
    (5_771, "Cisco Systems, Inc."),
    (6_569, "INVENTEC CORPORATION"),
    (6_653, "Tyan Computer Corporation"),
    (7_154, "Intelligent Platform Management Interface forum"),
    (7_244, "Quanta Computer Inc."),
    (10_297, "Advantech Co., Ltd."),
    (10_368, "Fujitsu Technology Solutions GmbH"),
    (10_418, "Avocent Corporation"),
    (10_437, "Peppercon AG"),
    (10_876, "Super Micro Computer Inc."),
    (11_102, "OSA Technologies Inc."),
    (11_129, "Google, Inc."),
    (12_634, "PICMG"),
    (13_742, "Raritan Computer, Inc."),
    (15_000, "Kontron Canada Inc"),
    (15_370, "GIGA-BYTE TECHNOLOGY CO., LTD"),
    (16_394, "nVent, Schroff GmbH"),
    (19_046, "Lenovo Enterprise Business Group"),
    (20_301, "IBM eServer X"),
    (20_569, "Inventec Enterprise System Corp."),
    (20_974, "American Megatrends, Inc"),
    (25_506, "H3C"),
    (33_049, "Mellanox Technologies LTD"),
    (37_945, "Inspur(BeiJing) Electronic Information Industry Co.,Ltd"),
    (40_092, "Wiwynn Corporation"),
    (40_981, "Facebook, Inc."),
    (42_817, "IBM Platform Firmware Division"),
    (47_196, "Hewlett Packard Enterprise"),
    (49_622, "ASRock Rack Incorporation"),
    (49_769, "YADRO"),
    (52_538, "Ampere Computing"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_are_found() {
        assert!(MANUFACTURERS.is_sorted_by(|(one, _), (other, _)| one < other));
        for (number, name) in MANUFACTURERS {
            assert_eq!(manufacturer(number), Some(name));
        }
        assert_eq!(manufacturer(0), None);
    }

    #[test]
    fn names_are_those_of_the_registry_on_this_machine() {
        let Ok(registry) = std::fs::read("/usr/share/misc/enterprise-numbers.txt") else {
            skips::skip!("the registry of enterprise numbers is missing (Debian: apt-get install ipmitool)");
            return;
        };
        let registry = String::from_utf8_lossy(&registry);
        let lines: Vec<&str> = registry.lines().collect();
        for (number, name) in MANUFACTURERS {
            let number = number.to_string();
            let place = lines.iter().position(|line| *line == number).unwrap();
            assert!(
                lines[place + 1].trim().starts_with(name),
                "{number}: {} is not {name}",
                lines[place + 1]
            );
        }
    }
}
