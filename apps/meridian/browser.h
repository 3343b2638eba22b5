// The person's browser, as their desktop starts it.
#pragma once

#include <string>

namespace meridian::app {

/// Starts `xdg-open URL`, and does not wait for it. Where there is none nothing happens: whoever
/// calls has printed the address.
void open_browser(const std::string& url);

}  // namespace meridian::app
