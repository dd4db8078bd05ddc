// Package miniaudio names the module that carries the header miniaudio.h, so that its sum is checked.
package miniaudio

import _ "github.com/gen2brain/malgo"
