//! SRTP key material, as DTLS and SDES hand it over.

/// SRTP protection profiles (RFC 5764, 7714, 4568).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    Aes128CmSha1_80,
    Aes128CmSha1_32,
    AeadAes128Gcm,
    AeadAes256Gcm,
}

impl Profile {
    pub const ALL: [Profile; 4] = [Self::Aes128CmSha1_80, Self::Aes128CmSha1_32, Self::AeadAes128Gcm, Self::AeadAes256Gcm];

    /// The SDES suite name, which the snapshot and the Python side use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128CmSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128CmSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    pub fn by_name(name: &str) -> Option<Profile> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Master key length in octets.
    pub fn key_length(self) -> usize {
        if self == Self::AeadAes256Gcm {
            32
        } else {
            16
        }
    }

    /// Master salt length in octets.
    pub fn salt_length(self) -> usize {
        if matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm) {
            12
        } else {
            14
        }
    }
}

/// Master key material of one direction. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Keys {
    pub profile: Profile,
    pub key: Vec<u8>,
    pub salt: Vec<u8>,
    pub mki: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({})", self.profile.name())
    }
}

/// Which direction a key is for, seen from the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Receive,
    Send,
}
