# Vulkan's headers as new as llama.cpp wants them, which Debian 12 does not have: sourced by `package`.
# shellcheck shell=bash

# The packages without which the Vulkan backend cannot be built.
need_vulkan_packages() {
    local missing=()
    has glslc || missing+=(glslc)
    [[ -e /usr/include/vulkan/vulkan.hpp ]] || missing+=(libvulkan-dev)
    [[ -e /usr/include/spirv/unified1/spirv.hpp ]] || missing+=(spirv-headers)
    if ((${#missing[@]})); then
        install_packages "to compile llama.cpp for GPUs through Vulkan" "${missing[@]}"
    fi
}

# Sets VULKAN_SDK and CMAKE_PREFIX_PATH to newer headers, unpacked under folder $1, where the system's are too old.
# Nothing of it is installed, and what is built runs with the system's own libvulkan.
need_vulkan_headers() {
    local folder=$1
    if grep -qs LayerSettingEXT /usr/include/vulkan/vulkan*.hpp; then
        return
    fi
    if [[ ! -e "$folder/usr/include/vulkan/vulkan.hpp" ]]; then
        say "The system's Vulkan headers are too old for llama.cpp: unpacking those of Debian 13 into $folder"
        unpack_vulkan_headers "$folder"
    fi
    export VULKAN_SDK=$folder/usr CMAKE_PREFIX_PATH=$folder/usr
}

# From the mirror that this machine uses already, by its own keyring, with lists and a cache of its own.
unpack_vulkan_headers() {
    local folder=$1 apt=$1.apt mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    # shellcheck disable=SC2016 # apt fills them in
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
    [[ -n "$mirror" && -e "$keyring" ]] || give_up "This system's Vulkan headers are too old, and it is no Debian 12: \
install newer ones (a Vulkan SDK of 1.3.280 or later), set VULKAN_SDK to where they are, and run this again." 2
    rm -rf "$folder" "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    echo "deb [signed-by=$keyring] $mirror trixie main" >"$apt/sources.list"
    local private=(-q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=)
    apt-get "${private[@]}" update >&2
    (cd "$apt" && apt-get "${private[@]}" download libvulkan-dev/trixie libvulkan1/trixie spirv-headers/trixie >&2)
    mkdir -p "$folder.new"
    for package in "$apt"/*.deb; do
        dpkg-deb -x "$package" "$folder.new"
    done
    rm -rf "$apt"
    mv "$folder.new" "$folder"
}
