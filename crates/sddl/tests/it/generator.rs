use telarch_sddl::{
    AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, AuditKind, Principal, SecurityDescriptor, Sid,
};

/// Pseudo-random choices, the same in every run (SplitMix64).
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn bits(&mut self) -> u32 {
        u32::try_from(self.number() >> 32).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn descriptor(&mut self) -> SecurityDescriptor {
        let owner = self.maybe(Self::principal);
        let group = self.maybe(Self::principal);
        let dacl = self.maybe(|this| this.acl(&[AccessKind::Allowed, AccessKind::Denied]));
        let sacl = self.maybe(|this| this.acl(&[AuditKind::Audit, AuditKind::Alarm]));
        SecurityDescriptor::new(owner, group, dacl, sacl).unwrap()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(4) > 0).then(|| make(self))
    }

    fn acl<Kind: Copy>(&mut self, kinds: &[Kind]) -> Acl<Kind> {
        let all = [AclFlags::PROTECTED, AclFlags::AUTO_INHERIT_REQUESTED, AclFlags::AUTO_INHERITED];
        let flags = self.some_of(&all).into_iter().fold(AclFlags::NONE, |flags, flag| flags | flag);
        let aces = (0..self.below(6)).map(|_| self.ace(kinds)).collect();
        Acl { flags, aces }
    }

    fn ace<Kind: Copy>(&mut self, kinds: &[Kind]) -> Ace<Kind> {
        let all = [
            AceFlags::OBJECT_INHERIT,
            AceFlags::CONTAINER_INHERIT,
            AceFlags::NO_PROPAGATE,
            AceFlags::INHERIT_ONLY,
            AceFlags::INHERITED,
            AceFlags::SUCCESSFUL_ACCESS,
            AceFlags::FAILED_ACCESS,
        ];
        let flags = self.some_of(&all).into_iter().fold(AceFlags::NONE, |flags, flag| flags | flag);
        Ace { kind: self.pick(kinds), flags, rights: self.rights(), principal: self.principal() }
    }

    /// Returns one to three rights in the form of a request.
    pub(crate) fn desired(&mut self) -> AccessMask {
        const WORDS: &[&str] = &["GR", "GW", "GX", "GA", "RC", "WD", "WO", "SD", "CC", "WP"];
        (0..=self.below(3))
            .fold(AccessMask::NONE, |all, _| all | AccessMask::parse(self.pick(WORDS)).unwrap())
    }

    fn rights(&mut self) -> AccessMask {
        match self.below(3) {
            0 => AccessMask::from_bits(self.bits()),
            1 => AccessMask::from_bits(self.bits() & 0xf00f_003f),
            _ => self.pick(&[AccessMask::GENERIC_ALL, AccessMask::GENERIC_READ, AccessMask::NONE]),
        }
    }

    pub(crate) fn principal(&mut self) -> Principal {
        const ALIASES: &[&str] = &[
            "BA", "BU", "BG", "PU", "BO", "RD", "ER", "RM", "WD", "AN", "AU", "IU", "NU", "SU", "SY", "LS",
            "NS", "CO", "CG", "OW", "LA", "LG", "DA", "DU", "DC", "DD", "EA",
        ];
        if self.below(3) > 0 {
            return Principal::parse(self.pick(ALIASES)).unwrap();
        }
        let authority = if self.below(2) == 0 { 5 } else { self.number() >> 16 };
        let numbers: Vec<u32> = (0..=self.below(15)).map(|_| self.bits() >> self.below(32)).collect();
        Sid::new(authority, &numbers).unwrap().into()
    }

    fn some_of<T: Copy>(&mut self, from: &[T]) -> Vec<T> {
        from.iter().copied().filter(|_| self.below(3) == 0).collect()
    }
}
