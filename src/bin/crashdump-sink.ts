import { launch } from '../cli/launch.js'

launch(import('../sinks/crashdump-sink.js'))
