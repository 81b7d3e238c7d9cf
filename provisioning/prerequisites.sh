# What a build needs on Debian 12, Debian 13 and Ubuntu 24.04: sourced by `up` and by `tests/all`.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# Ends the script: what is wrong, and what the person at the keyboard can do about it.
give_up() {
    say "$1"
    exit "${2:-1}"
}

has() { command -v "$1" >/dev/null 2>&1; }

has_libclang() {
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || [[ -n "${LIBCLANG_PATH:-}" ]] ||
        [[ "$(ldconfig -p 2>/dev/null)" == *libclang[-.]* ]]
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs packages: `install_packages "why" package...`
install_packages() {
    local why=$1
    shift
    has apt-get || give_up "Missing: $* ($why). There is no apt-get here: please install them, then run this again." 2
    [[ $EUID -eq 0 ]] || has sudo ||
        give_up "Missing: $* ($why). Please run as root: apt-get install $*" 2
    say "Installing with apt-get: $* ($why)"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

# The packages without which llama.cpp and SQLite cannot be built, and crates cannot be fetched.
need_build_packages() {
    local missing=()
    has cc && has c++ && has make || missing+=(build-essential)
    has cmake || missing+=(cmake)
    has clang || missing+=(clang)
    has_libclang || missing+=(libclang-dev)
    has pkg-config || missing+=(pkg-config)
    has curl || missing+=(curl)
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
    if ((${#missing[@]})); then
        install_packages "to compile llama.cpp and SQLite, and to fetch crates" "${missing[@]}"
    fi
}

# llama.cpp for the CPU that is here, as it is built where it runs: by default it takes AVX2 for granted and knows nothing
# newer. What somebody has set already stays.
fit_this_cpu() {
    local option
    export LLAMA_LIB_PROFILE=${LLAMA_LIB_PROFILE:-Release}
    [[ $(uname -m) == x86_64 ]] || return 0
    for option in SSE42:sse4_2 AVX:avx F16C:f16c FMA:fma AVX2:avx2 BMI2:bmi2 AVX_VNNI:avx_vnni AVX512:avx512vl \
        AVX512_VBMI:avx512vbmi AVX512_VNNI:avx512_vnni AVX512_BF16:avx512_bf16; do
        fit_option "GGML_${option%:*}" "${option#*:}"
    done
}

fit_option() {
    [[ -z "${!1:-}" ]] || return 0
    if grep --quiet --word-regexp --max-count 1 "$2" /proc/cpuinfo; then
        export "$1=ON"
    else
        export "$1=OFF"
    fi
}

# True if version $1 is at least version $2.
at_least() { printf '%s\n%s\n' "$2" "$1" | sort --version-sort --check=silent; }

cargo_version() { cargo --version 2>/dev/null | cut -d ' ' -f 2; }

# A Rust toolchain that is new enough for the workspace, whose root is $1.
need_rust() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$1/Cargo.toml")
    [[ -d "$HOME/.cargo/bin" ]] && PATH="$HOME/.cargo/bin:$PATH"
    if has cargo && at_least "$(cargo_version)" "$wanted"; then
        return
    fi
    has rustup || need_rustup
    say "Installing Rust $wanted with rustup (this workspace needs it; your default toolchain stays as it is)"
    rustup toolchain install "$wanted" --profile minimal --no-self-update >&2
    export RUSTUP_TOOLCHAIN=$wanted
    at_least "$(cargo_version)" "$wanted" ||
        give_up "cargo is still older than $wanted. Please put rustup's cargo first in PATH, then run this again."
}

need_rustup() {
    # A package that is only referred to has no candidate.
    if [[ "$(apt-cache policy rustup 2>/dev/null)" == *"Candidate: "[0-9]* ]]; then
        install_packages "the Rust toolchain installer of this distribution" rustup
    else
        rustup_from_its_makers
    fi
}

# Debian 12 has no rustup package: the Rust project's own installer, checked against its published hash.
rustup_from_its_makers() {
    local place folder
    place="https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
    folder=$(mktemp -d)
    say "This distribution has no rustup package: downloading it from the Rust project, $place"
    curl --proto '=https' --tlsv1.2 -fsS -o "$folder/rustup-init" "$place"
    [[ "$(sha256sum "$folder/rustup-init" | cut -d ' ' -f 1)" == "$(curl --proto '=https' -fsS "$place.sha256" | cut -c 1-64)" ]] ||
        give_up "The download of rustup does not match its published hash. Nothing was installed; please try again."
    chmod +x "$folder/rustup-init"
    "$folder/rustup-init" -y -q --profile minimal --default-toolchain none --no-modify-path >&2
    rm -r "$folder"
    PATH="$HOME/.cargo/bin:$PATH"
}
