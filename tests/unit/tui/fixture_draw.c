/* SPDX-License-Identifier: Apache-2.0 */
#include "tui_fixtures.h"

void tui_fixture_draw(struct tui_fixture *fixture, struct canvas *canvas, struct hits *hits)
{
	struct hits none = {0};

	picture_draw(&fixture->look, canvas, hits != NULL ? hits : &none);
	hits_finish(&none);
}
