// What fmt's headers only declare where FMT_HEADER_ONLY is not set (libtorch.cmake).
#include <fmt/format-inl.h>

namespace fmt {
inline namespace v12 {
template auto locale_ref::get<std::locale>() const -> std::locale;

namespace detail {

template auto dragonbox::to_decimal(float x) noexcept -> dragonbox::decimal_fp<float>;
template auto dragonbox::to_decimal(double x) noexcept -> dragonbox::decimal_fp<double>;
template auto thousands_sep_impl(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl(locale_ref) -> char;
template void buffer<char>::append(const char*, const char*);

}  // namespace detail
}  // namespace v12
}  // namespace fmt
